@echo off
rem SEAL AFTER CAPTURE: records what the store has, in one file beside it, so that
rem later checks can list every change.
rem
rem ConfigMgr: add a step "Run Command Line" directly after "Capture User State", in
rem   the same WinPE or Windows:  cmd /c X:\Lifeboat\seal.cmd   (in Windows, not WinPE:
rem   from a package with these scripts and lifeboat.exe). Select "Continue on error": a
rem   missing seal is no reason to stop a deployment.
rem MDT: add the same step after "Capture User State" in "State Capture".
rem
rem Settings: the path of the store is the first argument: seal.cmd C:\StateStore
rem   Without it, the path comes from OSDStateStorePath (ConfigMgr) or StatePath (MDT).
rem   LifeboatSeal=quick records only names, sizes and times, in seconds.
rem Exit codes: those of lifeboat. 0 sealed; 3 sealed with losses; 4 no store found.
setlocal DisableDelayedExpansion
call "%~dp0prepare.cmd" seal
if errorlevel 1 exit /b 1
if not "%~1"=="" set "STORE=%~1"
if not defined STORE goto nostore
if not "%~1"=="" if "%STORE:~-1%"=="\" set "STORE=%STORE%\"
set "HOW="
if /i "%SEAL%"=="quick" set "HOW=--quick"
"%LIFEBOAT%" seal "%STORE%" %HOW%
exit /b %ERRORLEVEL%
:nostore
echo Where is the store? Give its path: seal.cmd C:\StateStore
exit /b 2

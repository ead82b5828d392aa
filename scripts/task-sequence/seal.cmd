@echo off
rem SEAL AFTER CAPTURE: records what the store holds, in one file beside it, so that
rem whatever happens later can be compared with it.
rem
rem ConfigMgr: a step "Run Command Line" straight after "Capture User State", in the
rem   same WinPE or Windows:  cmd /c X:\Lifeboat\seal.cmd   (in full Windows: from a
rem   package that holds these scripts and lifeboat.exe). "Continue on error": a
rem   missing seal is no reason to stop a deployment.
rem MDT: the same, after "Capture User State" in "State Capture".
rem
rem Settings: the store is where OSDStateStorePath (ConfigMgr) or StatePath (MDT)
rem   says; else the first argument names it: seal.cmd C:\StateStore
rem   LifeboatSeal=quick records names, sizes and times alone, in seconds.
rem Exit codes: lifeboat's. 0 sealed; 3 sealed with losses; 4 there is no store.
setlocal DisableDelayedExpansion
call "%~dp0prepare.cmd" seal
if errorlevel 1 exit /b 1
if not "%~1"=="" set "STORE=%~1"
if not defined STORE goto nostore
set "HOW="
if /i "%SEAL%"=="quick" set "HOW=--quick"
"%LIFEBOAT%" seal "%STORE%" %HOW%
exit /b %ERRORLEVEL%
:nostore
echo Where is the store? Nothing says so: seal.cmd C:\StateStore
exit /b 2

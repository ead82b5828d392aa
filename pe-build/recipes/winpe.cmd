@echo off
rem PLAIN WINPE: a whole re-image in one script, with the users kept. Adapt the two lines
rem marked "yours" (docs/guide/recipes.md has a sample of both scripts). Run it in WinPE,
rem with Lifeboat in X:\Lifeboat (inject.sh or build.cmd) and the folder USMT beside it,
rem with scanstate.exe and loadstate.exe. Log on to the share first:
rem
rem   net use \\server\rescue /user:CORP\name
rem   winpe.cmd \\server\rescue NAME [options]     options: those of stage.cmd
rem
rem Before the wipe, it checks what it needs after it: access to the share, loadstate.exe,
rem that there is exactly one set to restore, that it can be opened, and that each of its
rem parts has a volume, or a root: --to D=E:\ (stage.cmd with LIFEBOAT_RESTORE=no). It
rem restores the set that before-wipe.cmd saved, whatever the time in its name. A PC that
rem has neither a store nor a Windows (4 of before-wipe.cmd) is installed, and a set that is
rem on the share already under NAME is restored.
rem
rem Exit codes: 0 re-imaged, the users come back at the first start, or there were none;
rem 3 the same, with losses that are listed; 2 an argument or a file is missing; 5 the share
rem cannot be reached; 10 it is not safe to wipe: the code of before-wipe.cmd is in the line
rem above; 12 what was saved could not be restored: see above. For these, nothing was
rem wiped. 11 your own line failed; 13 stage.cmd failed after the new Windows was applied:
rem its code is in the line above, and the set is still on the share.
setlocal EnableExtensions DisableDelayedExpansion
if "%~2"=="" echo winpe.cmd \\server\rescue NAME & exit /b 2
set "LIFEBOAT_TO=%~1"
set "LIFEBOAT_NAME=%~2"
set OPTIONS=%3 %4 %5 %6 %7 %8 %9
set "TOOLS=%SystemDrive%\Lifeboat"
if not exist "%TOOLS%\before-wipe.cmd" set "TOOLS=%~dp0."
if not defined LIFEBOAT_USMT set "LIFEBOAT_USMT=%TOOLS%\USMT"
set "FOLDER=%LIFEBOAT_TO%"
if "%FOLDER:~-1%"=="\" set "FOLDER=%FOLDER:~0,-1%"
rem lifeboat makes the folder when it saves: so does this.
if not exist "%FOLDER%\" if not exist "%FOLDER%\*" md "%FOLDER%" 2>nul
if not exist "%FOLDER%\" if not exist "%FOLDER%\*" goto unreachable
set "MISSING=%LIFEBOAT_USMT%\loadstate.exe"
if not exist "%MISSING%" goto missing
for %%F in (stage.cmd restore.cmd partition.cmd apply.cmd) do if not exist "%TOOLS%\%%F" set "MISSING=%TOOLS%\%%F"
if not exist "%MISSING%" goto missing

cmd /c ""%TOOLS%\before-wipe.cmd""
set "BEFORE=%ERRORLEVEL%"
if not "%BEFORE%"=="0" if not "%BEFORE%"=="4" goto unsafe
rem Which set would be restored, and can it be: none is right only if there was nothing to
rem save.
set "LIFEBOAT_RESTORE=no"
cmd /c ""%TOOLS%\stage.cmd" W: "%FOLDER%" %OPTIONS%"
set "FOUND=%ERRORLEVEL%"
set "LIFEBOAT_RESTORE="
if "%FOUND%"=="4" if "%BEFORE%"=="4" goto wipe
if not "%FOUND%"=="0" goto unclear
:wipe

rem Yours: makes the volume W: for the new Windows. THIS WIPES THE DISK.
call "%TOOLS%\partition.cmd"
if not "%ERRORLEVEL%"=="0" exit /b 11
rem Yours: applies the image to W: and makes it bootable.
call "%TOOLS%\apply.cmd"
if not "%ERRORLEVEL%"=="0" exit /b 11

if "%FOUND%"=="4" goto new
cmd /c ""%TOOLS%\stage.cmd" W: "%FOLDER%" %OPTIONS%"
set "CODE=%ERRORLEVEL%"
if "%CODE%"=="0" exit /b 0
if "%CODE%"=="3" exit /b 3
echo stage.cmd returned %CODE%. The new Windows is applied, and the set is still on the share.
exit /b 13
:new
echo The new Windows is applied. There was nothing to restore.
exit /b 0
:unsafe
echo before-wipe.cmd returned %BEFORE%. Nothing was wiped.
exit /b 10
:unclear
echo stage.cmd could not restore: it returned %FOUND%. Nothing was wiped.
exit /b 12
:unreachable
echo "%LIFEBOAT_TO%" cannot be reached. Nothing was wiped. Log on to the share first:
echo net use \\server\rescue /user:CORP\name
exit /b 5
:missing
echo %MISSING%: there is no such file. Nothing was wiped.
exit /b 2

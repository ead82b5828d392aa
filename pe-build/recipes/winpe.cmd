@echo off
rem PLAIN WINPE: a whole re-image in one script, with the users kept. Adapt the two lines
rem marked "yours". Run it in WinPE, with Lifeboat in X:\Lifeboat (inject.sh or build.cmd)
rem and the folder USMT beside it.
rem
rem   winpe.cmd \\server\rescue NAME
rem
rem Exit codes: 0 re-imaged, the users come back at the first start; 3 the same, with losses
rem that are listed; 10 the wipe was not started, because it is not safe: the code of
rem before-wipe.cmd is in the line above; 11 your own line failed; others: stage.cmd failed
rem after the new Windows was applied, and the set is still on the share.
setlocal EnableExtensions DisableDelayedExpansion
if "%~2"=="" echo winpe.cmd \\server\rescue NAME & exit /b 2
set "LIFEBOAT_TO=%~1"
set "LIFEBOAT_NAME=%~2"
set "TOOLS=%SystemDrive%\Lifeboat"
if not exist "%TOOLS%\before-wipe.cmd" set "TOOLS=%~dp0."

cmd /c ""%TOOLS%\before-wipe.cmd""
if not "%ERRORLEVEL%"=="0" echo before-wipe.cmd returned %ERRORLEVEL%. Nothing was wiped. & exit /b 10

rem Yours: makes the volume W: for the new Windows. THIS WIPES THE DISK.
call "%TOOLS%\partition.cmd"
if not "%ERRORLEVEL%"=="0" exit /b 11
rem Yours: applies the image to W: and makes it bootable.
call "%TOOLS%\apply.cmd"
if not "%ERRORLEVEL%"=="0" exit /b 11

cmd /c ""%TOOLS%\stage.cmd" W:"
exit /b %ERRORLEVEL%

@echo off
rem The scripts beside this one call it, with a word for the log's name. It finds
rem lifeboat.exe (LIFEBOAT), reads the task sequence's variables, and sets the log.
set "LIFEBOAT="
if exist "%~dp0lifeboat.exe" set "LIFEBOAT=%~dp0lifeboat.exe"
if not defined LIFEBOAT if exist "%SystemDrive%\Lifeboat\lifeboat.exe" set "LIFEBOAT=%SystemDrive%\Lifeboat\lifeboat.exe"
if not defined LIFEBOAT for %%I in (lifeboat.exe) do set "LIFEBOAT=%%~$PATH:I"
if not defined LIFEBOAT goto missing
rem Without start.cmd, nothing has loaded the drivers of inject.sh --drivers yet.
if not exist "%TEMP%\lifeboat-drivers.txt" if exist "%~dp0drivers.cmd" call "%~dp0drivers.cmd"
rem The variables of a task sequence override those of the environment.
rem The whole line is one token: a value may begin with an equals sign.
for /f "delims=" %%A in ('cscript.exe //nologo "%~dp0variables.vbs" 2^>nul') do set "%%A"
rem Before a quotation mark, a backslash counts only if it is doubled.
if "%LIFEBOAT_USMT:~-1%"=="\" set "LIFEBOAT_USMT=%LIFEBOAT_USMT%\"
if "%STORE:~-1%"=="\" set "STORE=%STORE%\"
if defined LIFEBOAT_LOG exit /b 0
if not defined LOGS set "LOGS=%TEMP%"
if exist "%LOGS%\" set "LIFEBOAT_LOG=%LOGS%\lifeboat-%~1.log"
exit /b 0
:missing
echo lifeboat.exe was not found. Put it beside this script, or in the PATH.
exit /b 1

@echo off
rem FFU BUILDER, BEFORE THE WIPE: it has no place for a script before it clears the disk.
rem So this file replaces \Windows\System32\startnet.cmd in its deployment image
rem (FFUDevelopment\WinPEDeployFFUFiles\Windows\System32\startnet.cmd, before the media is
rem made). It is the file of FFU Builder of 2026 with the lines of Lifeboat in it: compare
rem it with that of your version.
rem
rem Put Lifeboat into the same folder: FFUDevelopment\WinPEDeployFFUFiles\Lifeboat, with
rem lifeboat.exe, lifeboat.toml and what it names, the scripts of scripts\task-sequence and
rem the folder USMT. If disks need a driver: pe-build\image\Lifeboat\drivers.cmd, and the
rem drivers in a folder named drivers beside it.
rem
rem NAME OF THE SET: the new Windows has another name than the old one. So the set is named
rem after the PC's serial number; if that is none, this script asks for a name. In the new
rem Windows, set LIFEBOAT_NAME to the same before restore.cmd (docs\guide\recipes.md).
rem
rem Exit codes of before-wipe.cmd: 0 and the disk is cleared and the FFU applied. 4, too:
rem every volume was read, and there is neither a store nor a Windows, as on a new PC.
rem Anything else: a prompt; after exit it checks again. skip-rescue there goes on without.
rem AFTER: FFU Builder restarts the PC by itself. The new Windows restores with
rem restore.cmd (docs\guide\recipes.md says how, and where its files come from).
wpeinit
powercfg /s 8c5e7fda-e8bf-4a96-9a85-a6e23a8c635c
set "SKIP=%TEMP%\lifeboat-skip.txt"
rem One skip counts for one run.
if exist "%SKIP%" del /f /q "%SKIP%"
>"%SystemRoot%\System32\skip-rescue.cmd" echo @echo skipped^>"%SKIP%" ^& exit
if defined LIFEBOAT_NAME goto check
for /f "delims=" %%S in ('powershell -NoProfile -Command "(Get-CimInstance Win32_BIOS).SerialNumber.Trim()" 2^>nul') do set "LIFEBOAT_NAME=%%S"
rem What firmware says that has no number is no name: other PCs have the same.
for %%S in ("To be filled by O.E.M." "System Serial Number" "Default string" "Not Specified" "None" "N/A" "O.E.M." "INVALID" "Unknown") do if /i "%LIFEBOAT_NAME%"==%%S set "LIFEBOAT_NAME="
if defined LIFEBOAT_NAME if "%LIFEBOAT_NAME:~3%"=="" set "LIFEBOAT_NAME="
rem Only zeros, or 0123456789, is none either.
set "SERIAL="
if defined LIFEBOAT_NAME for /f "delims=0 " %%S in ("%LIFEBOAT_NAME%") do set "SERIAL=%%S"
if not defined SERIAL set "LIFEBOAT_NAME="
if "%LIFEBOAT_NAME%"=="123456789" set "LIFEBOAT_NAME="
if "%LIFEBOAT_NAME%"=="0123456789" set "LIFEBOAT_NAME="
:name
if not defined LIFEBOAT_NAME set /p LIFEBOAT_NAME=Name for the rescue set of this PC (to find it again): 
if not defined LIFEBOAT_NAME goto name
echo The rescue set of this PC is named %LIFEBOAT_NAME%.
:check
cmd /c ""%SystemDrive%\Lifeboat\before-wipe.cmd""
rem Only 0: a program that crashed or was stopped returns a negative number.
set "CODE=%ERRORLEVEL%"
if "%CODE%"=="0" goto wipe
if "%CODE%"=="4" echo Nothing to save on this PC. The disk is cleared now.
if "%CODE%"=="4" goto wipe
echo DO NOT WIPE: see the lines above (%CODE%).
echo Type lifeboat for the guided rescue, exit to check again,
echo or skip-rescue to wipe without a rescue.
set "PATH=%PATH%;%SystemDrive%\Lifeboat"
cmd /k
if not exist "%SKIP%" goto check
:wipe
powershell -NoProfile -ExecutionPolicy Bypass -File %SystemDrive%\ApplyFFU.ps1
exit

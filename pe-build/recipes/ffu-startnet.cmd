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
rem Exit codes of before-wipe.cmd: 0 and the disk is cleared and the FFU applied. Anything
rem else: a prompt; after exit it checks again. skip-rescue there goes on without.
rem AFTER: FFU Builder restarts the PC by itself. The new Windows restores with
rem restore.cmd, from the FFU's SetupComplete.cmd or manually (docs\guide\recipes.md).
wpeinit
powercfg /s 8c5e7fda-e8bf-4a96-9a85-a6e23a8c635c
set "SKIP=%TEMP%\lifeboat-skip.txt"
rem One skip counts for one run.
if exist "%SKIP%" del /f /q "%SKIP%"
>"%SystemRoot%\System32\skip-rescue.cmd" echo @echo skipped^>"%SKIP%" ^& exit
:check
cmd /c ""%SystemDrive%\Lifeboat\before-wipe.cmd""
rem Only 0: a program that crashed or was stopped returns a negative number.
if "%ERRORLEVEL%"=="0" goto wipe
echo DO NOT WIPE: see the lines above.
echo Type lifeboat for the guided rescue, exit to check again,
echo or skip-rescue to wipe without a rescue.
set "PATH=%PATH%;%SystemDrive%\Lifeboat"
cmd /k
if not exist "%SKIP%" goto check
:wipe
powershell -NoProfile -ExecutionPolicy Bypass -File %SystemDrive%\ApplyFFU.ps1
exit

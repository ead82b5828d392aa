@echo off
rem startnet.cmd calls this script in a boot image that is only for the rescue. It starts
rem the guided rescue, and leaves a prompt where you can start it again.
set "PATH=%PATH%;%~dp0"
if exist "%~dp0drivers.cmd" call "%~dp0drivers.cmd"
"%~dp0lifeboat.exe"
echo.
echo To start again, type:  lifeboat
echo To switch off, type:   wpeutil shutdown

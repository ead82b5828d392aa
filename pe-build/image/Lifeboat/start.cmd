@echo off
rem Called by startnet.cmd in a boot image whose only work is the rescue: opens the
rem guided rescue, and leaves a prompt at which it can be started again.
set "PATH=%PATH%;%~dp0"
"%~dp0lifeboat.exe"
echo.
echo To start again, type:  lifeboat
echo To switch off, type:   wpeutil shutdown

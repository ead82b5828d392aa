@echo off
rem Loads the drivers that inject.sh --drivers added: disks, then their volumes appear, and
rem network cards. start.cmd and the scripts for task sequences call it once. Before
rem lifeboat itself, in an image that starts a task sequence (F8):  X:\Lifeboat\drivers.cmd
rem A driver for hardware that this PC does not have loads nothing. That is no error.
setlocal DisableDelayedExpansion
if not exist "%~dp0drivers\" exit /b 0
rem Intel's driver for VMD comes last: where the drivers for RST without VMD are there too,
rem they have to be loaded before it.
for /r "%~dp0drivers" %%I in (*.inf) do if /i not "%%~nI"=="iaStorVD" call :load "%%I"
for /r "%~dp0drivers" %%I in (*.inf) do if /i "%%~nI"=="iaStorVD" call :load "%%I"
wpeutil initializenetwork >nul 2>nul
rem The other scripts do not do it a second time.
>"%TEMP%\lifeboat-drivers.txt" echo loaded
exit /b 0
:load
drvload %1 >nul 2>nul
rem A program that crashed returns a negative number.
if "%ERRORLEVEL%"=="0" (echo Driver %1: loaded) else echo Driver %1: not loaded
exit /b 0

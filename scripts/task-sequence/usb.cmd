@echo off
rem THE USB STICK: saves every migration store of whatever PC it is put into, onto
rem the stick itself. Nobody has to know anything, and no network is needed.
rem
rem Put on the stick: this script, prepare.cmd and lifeboat.exe, in any folder; sets
rem   go to \Rescue on the stick. In WinPE (F8): run usb.cmd from the stick. In a boot
rem   image of its own (pe-build): give its drive the label LIFEBOAT, and this script,
rem   found at X:\Lifeboat, looks for that drive.
rem Options after the name are handed to "lifeboat offload".
rem Exit codes: lifeboat's; 5 also: there is no stick.
setlocal DisableDelayedExpansion
call "%~dp0prepare.cmd" usb
if errorlevel 1 exit /b 1
set "STICK="
if /i not "%~d0"=="%SystemDrive%" set "STICK=%~d0"
if not defined STICK for %%D in (C D E F G H I J K L M N O P Q R S T U V W Y Z) do call :look %%D: 2>nul
if not defined STICK goto nostick
echo Saving to %STICK%\Rescue
"%LIFEBOAT%" offload --to %STICK%\Rescue %*
exit /b %ERRORLEVEL%
:look
rem "Volume in drive E is LIFEBOAT": other languages have the word elsewhere.
if defined STICK exit /b 0
for /f "tokens=1-12" %%A in ('vol %1') do (
    for %%W in ("%%A" "%%B" "%%C" "%%D" "%%E" "%%F" "%%G" "%%H" "%%I" "%%J" "%%K" "%%L") do (
        if /i %%W=="LIFEBOAT" set "STICK=%1"
    )
)
exit /b 0
:nostick
echo No drive with the label LIFEBOAT was found. Run this script from the stick.
exit /b 5

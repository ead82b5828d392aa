@echo off
rem THE USB STICK: saves every migration store of the PC to the stick itself. It
rem requires no knowledge and no network.
rem
rem Put this script, prepare.cmd, variables.vbs and lifeboat.exe on the stick, in any
rem   folder. The sets go to \Rescue on the stick. In WinPE (F8), run usb.cmd from the
rem   stick. In a boot image (pe-build), the script is at X:\Lifeboat and finds the stick
rem   by its label: give the stick the label LIFEBOAT.
rem The script passes its arguments to "lifeboat offload".
rem Exit codes: those of lifeboat, as in rescue.cmd; 5 also if there is no stick.
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
rem "Volume in drive E is LIFEBOAT": in other languages the label is at another place.
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

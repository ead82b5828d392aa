@echo off
rem Makes a WinPE boot image with Lifeboat: an ISO, or a USB stick. Run it on Windows
rem with the ADK and its Windows PE add-on, in the "Deployment and Imaging Tools
rem Environment" as administrator. On Linux, inject.sh adds Lifeboat to an existing
rem boot.wim.
rem
rem   build.cmd amd64|x86|arm64 FOLDER [options]
rem
rem   FOLDER              a new folder for the image's files and lifeboat.iso
rem   /settings FILE      becomes \Lifeboat\lifeboat.toml
rem   /add FOLDER         further files for \Lifeboat, with all subfolders: password.txt and
rem                       what else lifeboat.toml names, the folder USMT
rem   /exe FILE           the program [default: lifeboat.exe beside this script, or else
rem                       that of the release, in x64, x86 or arm64 one folder above]
rem   /drivers FOLDER     drivers to add, with all subfolders: .inf files for the image's
rem                       architecture; others are listed and left out
rem   /ca 2011|2023       which of Microsoft's CAs signed the boot manager, if the ADK has
rem                       both [default: 2023]. A PC whose firmware does not know that CA
rem                       (not updated since 2023) needs 2011; one that has revoked 2011
rem                       needs 2023 (docs/guide/winpe.md)
rem   /usb X:             also writes the stick X:. EVERYTHING ON IT IS LOST.
rem   /dryrun             only prints what it would run
rem
rem The architecture is that of the PC, not of the old Windows: amd64 for all PCs of the
rem last ten years; x86 for older ones (ADK 2004 or older); arm64 for PCs with Snapdragon
rem and other ARM processors.
setlocal EnableExtensions DisableDelayedExpansion
set "HERE=%~dp0"
set "ARCH=%~1"
set "OUT=%~2"
if /i not "%ARCH%"=="amd64" if /i not "%ARCH%"=="x86" if /i not "%ARCH%"=="arm64" goto usage
if "%OUT%"=="" goto usage
set "EXE=%HERE%lifeboat.exe"
set "KIND=x64"
if /i "%ARCH%"=="x86" set "KIND=x86"
if /i "%ARCH%"=="arm64" set "KIND=arm64"
if not exist "%EXE%" set "EXE=%HERE%..\%KIND%\lifeboat.exe"
set "SETTINGS="
set "BOOTFILE=bootx64.efi"
if /i "%ARCH%"=="x86" set "BOOTFILE=bootia32.efi"
if /i "%ARCH%"=="arm64" set "BOOTFILE=bootaa64.efi"
set "DRIVERS="
set "ADD="
set "USB="
set "CA=2023"
set "DO="
shift
shift
:options
if "%~1"=="" goto checked
if /i "%~1"=="/dryrun" set "DO=echo" & shift & goto options
if "%~2"=="" goto usage
if /i "%~1"=="/settings" set "SETTINGS=%~2" & shift & shift & goto options
if /i "%~1"=="/add" set "ADD=%~2" & shift & shift & goto options
if /i "%~1"=="/exe" set "EXE=%~2" & shift & shift & goto options
if /i "%~1"=="/drivers" set "DRIVERS=%~2" & shift & shift & goto options
if /i "%~1"=="/ca" set "CA=%~2" & shift & shift & goto options
if /i "%~1"=="/usb" set "USB=%~2" & shift & shift & goto options
goto usage
:checked
if not "%CA%"=="2011" if not "%CA%"=="2023" goto usage
rem copype changes the current folder. A backslash before a quotation mark would escape it.
for %%I in ("%OUT%") do set "OUT=%%~fI"
for %%I in ("%EXE%") do set "EXE=%%~fI"
if defined SETTINGS for %%I in ("%SETTINGS%") do set "SETTINGS=%%~fI"
if defined ADD for %%I in ("%ADD%") do set "ADD=%%~fI"
if defined DRIVERS for %%I in ("%DRIVERS%") do set "DRIVERS=%%~fI"
if "%OUT:~-1%"=="\" set "OUT=%OUT:~0,-1%"
if defined ADD if "%ADD:~-1%"=="\" set "ADD=%ADD:~0,-1%"
if defined DRIVERS if "%DRIVERS:~-1%"=="\" set "DRIVERS=%DRIVERS:~0,-1%"
if not exist "%EXE%" echo %EXE%: there is no such file. Give its path: /exe FILE & exit /b 1
if defined SETTINGS if not exist "%SETTINGS%" echo %SETTINGS%: there is no such file. & exit /b 1
if defined ADD if not exist "%ADD%\" echo %ADD%: there is no such folder. & exit /b 1
set "LACKS="
if defined SETTINGS for /f "usebackq tokens=1,2 delims='" %%A in ("%SETTINGS%") do call :named "%%~A" "%%~B"
if defined LACKS echo Put it into the folder that is added: /add FOLDER & exit /b 1
if defined DRIVERS if not exist "%DRIVERS%" echo %DRIVERS%: there is no such folder. & exit /b 1
set "DRIVER="
if not defined DRIVERS goto nodrivers
for /r "%DRIVERS%" %%I in (*.inf) do call :fits "%%I"
if not defined DRIVER echo %DRIVERS%: no .inf file for %ARCH% is in it. & exit /b 1
:nodrivers
if exist "%OUT%" echo %OUT%: is there already. Give a new folder, or delete this one. & exit /b 1
if not defined WinPERoot echo The ADK was not found. Open the "Deployment and Imaging Tools Environment". & exit /b 1
set "OCS=%WinPERoot%\%ARCH%\WinPE_OCs"
if not exist "%OCS%\WinPE-WMI.cab" echo %OCS%: the Windows PE add-on of the ADK is missing. & exit /b 1

rem After a failed step, :run skips every further step.
set "FAILED="
set "MOUNT=%OUT%\mount"
call :run copype %ARCH% "%OUT%"
call :run Dism /Mount-Image /ImageFile:"%OUT%\media\sources\boot.wim" /Index:1 /MountDir:"%MOUNT%"
if defined FAILED goto failed
rem WMI, then what requires it: SecureStartup has manage-bde, for BitLocker;
rem Scripting runs variables.vbs in a task sequence.
for %%P in (WinPE-WMI WinPE-Scripting WinPE-SecureStartup) do call :package %%P
if defined DRIVERS call :drivers
rem Space for logs, and for temporary files of the tools.
call :run Dism /Image:"%MOUNT%" /Set-ScratchSpace:512
call :run xcopy /e /i /y /q "%HERE%image\Lifeboat" "%MOUNT%\Lifeboat"
call :run copy /y "%HERE%..\scripts\task-sequence\*.cmd" "%MOUNT%\Lifeboat"
call :run copy /y "%HERE%..\scripts\task-sequence\*.vbs" "%MOUNT%\Lifeboat"
if defined ADD call :run xcopy /e /h /i /y /q "%ADD%" "%MOUNT%\Lifeboat"
call :run copy /y "%EXE%" "%MOUNT%\Lifeboat\lifeboat.exe"
if defined SETTINGS call :run copy /y "%SETTINGS%" "%MOUNT%\Lifeboat\lifeboat.toml"
if defined FAILED goto undo
if defined DO echo add a line to "%MOUNT%\Windows\System32\startnet.cmd", write lifeboat.cmd beside it
if not defined DO >"%MOUNT%\Windows\System32\lifeboat.cmd" echo @"%%SystemDrive%%\Lifeboat\lifeboat.exe" %%*
if not defined DO >>"%MOUNT%\Windows\System32\startnet.cmd" echo call %%SystemDrive%%\Lifeboat\start.cmd ^& rem added by Lifeboat
if not defined DO if not exist "%MOUNT%\Windows\System32\lifeboat.cmd" goto undo
rem The boot manager of the stick is beside boot.wim. The one of 2023 comes from the image.
set "EX=%MOUNT%\Windows\Boot\EFI_EX"
if "%CA%"=="2023" if not defined DO if not exist "%EX%\bootmgfw_EX.efi" set "CA=2011"
if "%CA%"=="2023" call :ca2023
if defined FAILED goto undo
call :run Dism /Unmount-Image /MountDir:"%MOUNT%" /Commit
if defined FAILED goto undo
call :run MakeWinPEMedia /ISO "%OUT%" "%OUT%\lifeboat.iso"
if defined USB call :run MakeWinPEMedia /UFD "%OUT%" %USB%
if defined FAILED goto failed
echo Done: %OUT%\lifeboat.iso
if "%CA%"=="2023" echo The boot manager is signed by the CA of 2023. A PC whose firmware does not know that CA
if "%CA%"=="2023" echo refuses it with Secure Boot on: build again with /ca 2011 for such PCs.
if "%CA%"=="2011" echo The boot manager is signed by the CA of 2011. A PC whose firmware has revoked that CA
if "%CA%"=="2011" echo refuses it with Secure Boot on: build with an ADK of December 2024 or newer for such PCs.
exit /b 0

:ca2023
call :run copy /y "%EX%\bootmgfw_EX.efi" "%OUT%\media\EFI\Boot\%BOOTFILE%"
if exist "%EX%\bootmgr_EX.efi" call :run copy /y "%EX%\bootmgr_EX.efi" "%OUT%\media\bootmgr.efi"
rem The ISO boots by efisys.bin. copype puts it into fwfiles; that of the ADK 26100 and newer
rem into bootbins, with the boot managers that MakeWinPEMedia takes, and those of 2023.
if exist "%OUT%\bootbins\" goto bootbins
set "SYS=%OSCDImgRoot%\..\..\%ARCH%\Oscdimg\efisys_EX.bin"
if exist "%SYS%" call :run copy /y "%SYS%" "%OUT%\fwfiles\efisys.bin"
exit /b 0
:bootbins
call :run copy /y "%EX%\bootmgfw_EX.efi" "%OUT%\bootbins\bootmgfw.efi"
set "SYS=%OUT%\bootbins\efisys_EX.bin"
if exist "%SYS%" call :run copy /y "%SYS%" "%OUT%\bootbins\efisys.bin"
exit /b 0
:named
rem A line of lifeboat.toml, as  password-file = 'password.txt'  in \Lifeboat.
set "FILE=%~2"
set "KEY="
for /f "tokens=1 delims== " %%K in ("%~1") do set "KEY=%%K"
if not defined KEY exit /b 0
if not defined FILE exit /b 0
set "IS="
for %%K in (password-file passphrase-file recovery-key-file bitlocker-password-file) do if "%KEY%"=="%%K" set "IS=1"
if not defined IS exit /b 0
rem The place of an absolute path is not known here.
if "%FILE:~0,1%"=="\" exit /b 0
if "%FILE:~1,1%"==":" exit /b 0
if defined ADD if exist "%ADD%\%FILE%" exit /b 0
echo %SETTINGS%: %KEY% names %FILE%, which would be missing in the boot image.
set "LACKS=1"
exit /b 0
:fits
call :is_for %1
if defined FITS set "DRIVER=1"
if not defined FITS echo driver not for %ARCH%, left out: %~1
exit /b 0
:drivers
rem Intel's driver for VMD after those for RST without VMD, as drivers.cmd does.
for /r "%DRIVERS%" %%I in (*.inf) do if /i not "%%~nI"=="iaStorVD" call :driver "%%I"
for /r "%DRIVERS%" %%I in (*.inf) do if /i "%%~nI"=="iaStorVD" call :driver "%%I"
exit /b 0
:driver
call :is_for %1
if defined FITS call :run Dism /Image:"%MOUNT%" /Add-Driver /Driver:%1
exit /b 0
:is_for
rem [Manufacturer] lists NTamd64 or NTx86 behind a driver's name; type reads UTF-16 files,
rem too. What has no such word is for x86.
set "FITS="
set "OTHER="
for %%W in (NTamd64 NTAMD64 ntamd64 NTAmd64) do call :word %1 %%W amd64
for %%W in (NTarm64 NTARM64 ntarm64 NTArm64) do call :word %1 %%W arm64
for %%W in (NTx86 NTX86 ntx86) do call :word %1 %%W x86
if /i "%ARCH%"=="x86" if not defined OTHER set "FITS=1"
exit /b 0
:word
type %1 2>nul | find "%2" >nul
if not "%ERRORLEVEL%"=="0" exit /b 0
set "OTHER=1"
if /i "%ARCH%"=="%3" set "FITS=1"
exit /b 0
:package
call :run Dism /Image:"%MOUNT%" /Add-Package /PackagePath:"%OCS%\%1.cab"
if exist "%OCS%\en-us\%1_en-us.cab" call :run Dism /Image:"%MOUNT%" /Add-Package /PackagePath:"%OCS%\en-us\%1_en-us.cab"
exit /b 0
:run
if defined FAILED exit /b 0
if defined DO echo %*
if defined DO exit /b 0
call %*
if not "%ERRORLEVEL%"=="0" set "FAILED=1"
exit /b 0
:undo
if not defined DO call Dism /Unmount-Image /MountDir:"%MOUNT%" /Discard
:failed
echo Failed: see the lines above. Delete %OUT% before you try again.
echo If it says that the folder is in use, an image is still mounted there. Run this first:
echo Dism /Unmount-Image /MountDir:"%MOUNT%" /Discard
echo Dism /Cleanup-Mountpoints
exit /b 1
:usage
echo build.cmd amd64^|x86^|arm64 FOLDER [/settings FILE] [/add FOLDER] [/exe FILE]
echo     [/drivers FOLDER] [/ca 2011^|2023] [/usb X:] [/dryrun]
exit /b 2

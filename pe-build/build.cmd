@echo off
rem Makes a WinPE boot image with Lifeboat: an ISO, or a USB stick. Run it on Windows
rem with the ADK and its Windows PE add-on, in the "Deployment and Imaging Tools
rem Environment" as administrator. On Linux, inject.sh adds Lifeboat to an existing
rem boot.wim.
rem
rem   build.cmd amd64|x86|arm64 FOLDER [options]
rem
rem   FOLDER              a new folder for the image's files and lifeboat.iso
rem   /settings FILE      becomes \Lifeboat\lifeboat.toml, if Lifeboat understands it
rem   /add FOLDER         further files for \Lifeboat, with all subfolders: password.txt and
rem                       what else lifeboat.toml names, the folder USMT
rem   /exe FILE           the program [default: lifeboat.exe beside this script, or else
rem                       that of the release, in x64, x86 or arm64 one folder above]
rem   /drivers FOLDER     drivers to add, with all subfolders: .inf files for the image's
rem                       architecture; others are listed and left out
rem   /ca 2011|2023       which of Microsoft's CAs signed the boot manager, if the ADK has
rem                       both [default: 2023 if it has]. A PC whose firmware does not know that CA
rem                       (not updated since 2023) needs 2011; one that has revoked 2011
rem                       needs 2023 (docs/guide/winpe.md)
rem   /usb X:             also writes the stick X:. EVERYTHING ON IT IS LOST. Only a removable
rem                       drive is taken
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
set "CAGIVEN="
set "DO="
rem The keys of lifeboat.toml, as in src\cli\settings.rs, and those that name a file or a folder.
set "KNOWN=to user password-file passphrase-file recovery-key-file bitlocker-password-file bitlocker-keys recipient name log"
set "FILES=password-file passphrase-file recovery-key-file bitlocker-password-file bitlocker-keys"
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
if /i "%~1"=="/ca" set "CA=%~2" & set "CAGIVEN=1" & shift & shift & goto options
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
rem Temporary files are named by it: two images may be built at once.
set "BY=%OUT::=%"
set "BY=%BY:\=-%"
if defined ADD if "%ADD:~-1%"=="\" set "ADD=%ADD:~0,-1%"
if defined DRIVERS if "%DRIVERS:~-1%"=="\" set "DRIVERS=%DRIVERS:~0,-1%"
if not exist "%EXE%" echo %EXE%: there is no such file. Give its path: /exe FILE & exit /b 1
if defined SETTINGS if not exist "%SETTINGS%" echo %SETTINGS%: there is no such file. & exit /b 1
if defined ADD if not exist "%ADD%\" echo %ADD%: there is no such folder. & exit /b 1
set "WRONG="
set "LACKS="
set "FIRST=1"
if not defined SETTINGS goto nosettings
rem Between the two are blanks, tabs and the equals sign.
for /f "usebackq tokens=1,* delims==	 " %%A in ("%SETTINGS%") do (
    set "KEY=%%A"
    set "VALUE=%%B"
    call :named
)
if defined WRONG echo Lifeboat would not start. Write lines such as: to = '\\server\share\folder'
if defined LACKS echo Put it into the folder that is added: /add FOLDER
if defined WRONG exit /b 1
if defined LACKS exit /b 1
rem The program itself knows best. It reads its settings first: then, this set is not there.
if /i "%KIND%"=="arm64" goto nosettings
set "SAID=%TEMP%\lifeboat-%BY%.txt"
set "LIFEBOAT_SETTINGS=%SETTINGS%"
set "LIFEBOAT_LOG=%TEMP%\lifeboat-%BY%.log"
"%EXE%" list "%SAID%.none" >"%SAID%" 2>&1
set "LIFEBOAT_SETTINGS="
type "%SAID%" | find "%SETTINGS%:"
if "%ERRORLEVEL%"=="0" set "WRONG=1"
del /f /q "%SAID%"
if exist "%LIFEBOAT_LOG%" del /f /q "%LIFEBOAT_LOG%"
set "LIFEBOAT_LOG="
if defined WRONG echo Lifeboat would not start. Write lines such as: to = '\\server\share\folder'
if defined WRONG exit /b 1
:nosettings
rem A WinPE runs programs of its own architecture only: a 64-bit one has no WoW64.
call :machine "%EXE%"
if defined OTHER exit /b 1
if defined ADD if exist "%ADD%\USMT\scanstate.exe" call :machine "%ADD%\USMT\scanstate.exe"
if defined OTHER exit /b 1
if not defined USB goto nousb
call :stick
if not defined IS exit /b 1
:nousb
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
set "OLDER="
if "%CA%"=="2023" if not defined DO if not exist "%EX%\bootmgfw_EX.efi" set "OLDER=1"
if defined OLDER if defined CAGIVEN echo /ca 2023: this ADK has no boot manager of the CA of 2023. Use one of December 2024 or newer.
if defined OLDER if defined CAGIVEN goto undo
if defined OLDER set "CA=2011"
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
rem A line of lifeboat.toml, as  password-file = 'password.txt'  in \Lifeboat. Quotation marks
rem become apostrophes: cmd cannot take a line apart at quotation marks.
if not defined KEY exit /b 0
set "KEY=%KEY:"=%"
if not defined KEY exit /b 0
rem Notepad writes a byte order mark: one character or three, by the code page.
if defined FIRST for %%K in (%KNOWN% #) do if "%KEY:~1%"=="%%K" set "KEY=%%K"
if defined FIRST for %%K in (%KNOWN% #) do if "%KEY:~3%"=="%%K" set "KEY=%%K"
set "FIRST="
if "%KEY:~0,1%"=="#" exit /b 0
set "IS="
for %%K in (%KNOWN%) do if "%KEY%"=="%%K" set "IS=1"
if not defined IS echo %SETTINGS%: "%KEY%" is no setting of Lifeboat.
if not defined IS set "WRONG=1"
if not defined IS exit /b 0
if not defined VALUE exit /b 0
set "BARE=x%VALUE:"=%"
set "VALUE=x%VALUE:"='%"
set "FILE="
for /f "tokens=2 delims='" %%V in ("%VALUE%") do set "FILE=%%V"
if not defined FILE exit /b 0
rem In quotation marks, a single backslash is none.
set "REST=x%FILE:\\=%"
if not "%BARE:~1,1%"=="'" if not "%REST:\=%"=="%REST%" goto mangled
set "IS="
for %%K in (%FILES%) do if "%KEY%"=="%%K" set "IS=1"
if not defined IS exit /b 0
rem The place of an absolute path is not known here.
if "%FILE:~0,1%"=="\" exit /b 0
if "%FILE:~1,1%"==":" exit /b 0
if "%FILE:~-1%"=="\" set "FILE=%FILE:~0,-1%"
if not "%KEY%"=="bitlocker-keys" if defined ADD if exist "%ADD%\%FILE%" exit /b 0
if "%KEY%"=="bitlocker-keys" if defined ADD if exist "%ADD%\%FILE%\" exit /b 0
echo %SETTINGS%: %KEY% names %FILE%, which would be missing in the boot image.
set "LACKS=1"
exit /b 0
:mangled
echo %SETTINGS%: %KEY%: a single backslash in double quotes is not a backslash.
set "WRONG=1"
exit /b 0
:machine
rem PowerShell reads the number in the file (8664, 14c or AA64 in hexadecimal); without an answer, this is not checked.
set "OTHER="
set "LBFILE=%~1"
set "TYPE="
for /f %%T in ('powershell -NoProfile -Command "$b = [IO.File]::ReadAllBytes($env:LBFILE); [BitConverter]::ToUInt16($b, [BitConverter]::ToInt32($b, 60) + 4)" 2^>nul') do set "TYPE=%%T"
set "IS="
if /i "%TYPE%"=="34404" set "IS=amd64"
if /i "%TYPE%"=="332" set "IS=x86"
if /i "%TYPE%"=="43620" set "IS=arm64"
if not defined IS echo "%~1": its architecture was not checked.
if not defined IS exit /b 0
if /i "%IS%"=="%ARCH%" exit /b 0
echo "%~1": a program for %IS%. In WinPE for %ARCH% it would not start.
set "OTHER=1"
exit /b 0
:stick
rem Everything on it will be lost: never a disk of this PC, nor the drive that is read.
if "%USB:~2%"=="\" set "USB=%USB:~0,2%"
set "IS="
for %%L in (A B C D E F G H I J K L M N O P Q R S T U V W X Y Z) do if /i "%USB%"=="%%L:" set "IS=1"
if not defined IS echo /usb %USB%: give the letter of the stick, such as F:
if not defined IS exit /b 1
set "IS="
if /i "%USB%"=="%SystemDrive%" echo /usb %USB%: Windows is there. Give the letter of the stick. & exit /b 1
if /i "%USB%"=="%OUT:~0,2%" echo /usb %USB%: %OUT% is there. Give another folder or another stick. & exit /b 1
if /i "%USB%"=="%HERE:~0,2%" echo /usb %USB%: this script is there. Copy it to a disk first. & exit /b 1
rem These names are in no other language. Without an answer, the drive is not taken.
set "TYPE=unknown"
for /f %%T in ('powershell -NoProfile -Command "(New-Object IO.DriveInfo %USB%).DriveType"') do set "TYPE=%%T"
if "%TYPE%"=="Removable" set "IS=1"
if defined IS exit /b 0
echo /usb %USB%: this is no removable drive (%TYPE%). Give the letter of the stick.
echo For a USB disk that Windows takes for a fixed one, leave out /usb. Then run:
echo MakeWinPEMedia /UFD "%OUT%" X:
exit /b 1
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
call :word %1 NT%ARCH%
if defined FOUND set "FITS=1"
if defined FITS exit /b 0
if /i not "%ARCH%"=="x86" exit /b 0
call :word %1 NTamd64
if not defined FOUND call :word %1 NTarm64
if not defined FOUND set "FITS=1"
exit /b 0
:word
rem As nearly all write it, and then in any letter case, which Wine's find does not know.
set "FOUND="
set "LINES=%TEMP%\lifeboat-%BY%.inf.txt"
type %1 2>nul | find "%2" >"%LINES%"
call :lines %2
if defined FOUND exit /b 0
type %1 2>nul | find /i "%2" >"%LINES%"
call :lines %2
exit /b 0
:lines
for /f "usebackq delims=" %%L in ("%LINES%") do (
    set "LINE=%%L"
    call :code %1
)
del /f /q "%LINES%"
exit /b 0
:code
rem Behind the equals sign and before a semicolon: "A; B" = Intel,NTamd64 ; and no comment
set "LINE=%LINE:"='%"
if "%LINE:~0,1%"==";" exit /b 0
for /f "tokens=1,* delims==" %%A in ("%LINE%") do (
    set "LEFT=%%A"
    set "LINE=%%B"
)
if not "%LEFT:'=%"=="%LEFT%" set "LEFT='"
set "CODE="
for /f "delims=;" %%C in ("%LEFT%") do set "CODE=%%C"
rem The equals sign is in a comment, or there is none.
if not "%CODE%"=="%LEFT%" set "LINE="
if not defined LINE set "LINE=%CODE%"
set "CODE="
for /f "delims=;" %%C in ("%LINE%") do set "CODE=%%C"
if not defined CODE exit /b 0
call set "REST=%%CODE:%1=%%"
if not "%REST%"=="%CODE%" set "FOUND=1"
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

@echo off
rem Makes a WinPE boot image with Lifeboat: an ISO, or a USB stick. Run it on Windows
rem with the ADK and its Windows PE add-on, in the "Deployment and Imaging Tools
rem Environment" as administrator. On Linux, inject.sh adds Lifeboat to an existing
rem boot.wim.
rem
rem   build.cmd amd64|x86 FOLDER [options]
rem
rem   FOLDER              a new folder for the image's files and lifeboat.iso
rem   /settings FILE      becomes \Lifeboat\lifeboat.toml
rem   /exe FILE           the program [default: lifeboat.exe beside this script, or else
rem                       that of the release, in x64 or x86 one folder above]
rem   /drivers FOLDER     drivers to add, with all subfolders
rem   /usb X:             also writes the stick X:. EVERYTHING ON IT IS LOST.
rem   /dryrun             only prints what it would run
rem
rem The architecture is that of the PC, not of the old Windows: amd64 for all PCs of the
rem last ten years; x86 for older ones (ADK 2004 or older).
setlocal EnableExtensions DisableDelayedExpansion
set "HERE=%~dp0"
set "ARCH=%~1"
set "OUT=%~2"
if /i not "%ARCH%"=="amd64" if /i not "%ARCH%"=="x86" goto usage
if "%OUT%"=="" goto usage
set "EXE=%HERE%lifeboat.exe"
set "KIND=x64"
if /i "%ARCH%"=="x86" set "KIND=x86"
if not exist "%EXE%" set "EXE=%HERE%..\%KIND%\lifeboat.exe"
set "SETTINGS="
set "DRIVERS="
set "USB="
set "DO="
shift
shift
:options
if "%~1"=="" goto checked
if /i "%~1"=="/dryrun" set "DO=echo" & shift & goto options
if "%~2"=="" goto usage
if /i "%~1"=="/settings" set "SETTINGS=%~2" & shift & shift & goto options
if /i "%~1"=="/exe" set "EXE=%~2" & shift & shift & goto options
if /i "%~1"=="/drivers" set "DRIVERS=%~2" & shift & shift & goto options
if /i "%~1"=="/usb" set "USB=%~2" & shift & shift & goto options
goto usage
:checked
if not exist "%EXE%" echo %EXE%: there is no such file. Give its path: /exe FILE & exit /b 1
if defined SETTINGS if not exist "%SETTINGS%" echo %SETTINGS%: there is no such file. & exit /b 1
if defined DRIVERS if not exist "%DRIVERS%" echo %DRIVERS%: there is no such folder. & exit /b 1
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
if defined DRIVERS call :run Dism /Image:"%MOUNT%" /Add-Driver /Driver:"%DRIVERS%" /Recurse
rem Space for logs, and for temporary files of the tools.
call :run Dism /Image:"%MOUNT%" /Set-ScratchSpace:512
call :run xcopy /e /i /y /q "%HERE%image\Lifeboat" "%MOUNT%\Lifeboat"
call :run copy /y "%HERE%..\scripts\task-sequence\*.cmd" "%MOUNT%\Lifeboat"
call :run copy /y "%HERE%..\scripts\task-sequence\*.vbs" "%MOUNT%\Lifeboat"
call :run copy /y "%EXE%" "%MOUNT%\Lifeboat\lifeboat.exe"
if defined SETTINGS call :run copy /y "%SETTINGS%" "%MOUNT%\Lifeboat\lifeboat.toml"
if defined FAILED goto undo
if defined DO echo add a line to "%MOUNT%\Windows\System32\startnet.cmd", write lifeboat.cmd beside it
if not defined DO >"%MOUNT%\Windows\System32\lifeboat.cmd" echo @"%%SystemDrive%%\Lifeboat\lifeboat.exe" %%*
if not defined DO >>"%MOUNT%\Windows\System32\startnet.cmd" echo call %%SystemDrive%%\Lifeboat\start.cmd ^& rem added by Lifeboat
call :run Dism /Unmount-Image /MountDir:"%MOUNT%" /Commit
call :run MakeWinPEMedia /ISO "%OUT%" "%OUT%\lifeboat.iso"
if defined USB call :run MakeWinPEMedia /UFD "%OUT%" %USB%
if defined FAILED goto failed
echo Done: %OUT%\lifeboat.iso
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
if errorlevel 1 set "FAILED=1"
exit /b 0
:undo
if not defined DO Dism /Unmount-Image /MountDir:"%MOUNT%" /Discard
:failed
echo Failed: see the lines above. Delete %OUT% before you try again.
exit /b 1
:usage
echo build.cmd amd64^|x86 FOLDER [/settings FILE] [/exe FILE] [/drivers FOLDER] [/usb X:] [/dryrun]
exit /b 2

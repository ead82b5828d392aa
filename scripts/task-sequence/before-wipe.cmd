@echo off
rem BEFORE THE WIPE, ALL IN ONE: captures the users of the old Windows into a hard-link
rem store (offline, by scanstate), seals it, saves it to the share, and checks that it
rem is safe to wipe. For deployment tools that do not keep user state themselves.
rem
rem Run it in WinPE, before anything is formatted. docs/guide/recipes.md shows where
rem   each tool has a place for it. It needs scanstate.exe of the ADK's USMT, of WinPE's
rem   architecture: put the folder beside these scripts as USMT, or set LifeboatUsmt.
rem
rem Settings: before-wipe.cmd D:\Windows  gives the old Windows, if there are several.
rem   LifeboatTo, LifeboatUser, LifeboatPassword, LifeboatName: as in rescue.cmd; outside
rem   of a task sequence LIFEBOAT_TO, LIFEBOAT_NAME, or lifeboat.toml.
rem   LifeboatUsmt (LIFEBOAT_USMT): the folder with scanstate.exe.
rem   LifeboatMigrationXml (LIFEBOAT_XML): the XML files, separated by spaces
rem   [default: migdocs.xml migapp.xml].
rem   LifeboatStore (STORE): where the store goes, on the volume of the old Windows
rem   [default: \StateStore there].
rem   LifeboatSource (SOURCES): which disks to search for stores [default: all].
rem   LifeboatCapture=no (CAPTURE=no): the tool has captured already; only seal, save
rem   and check what is there.
rem A store that is there already, or a part of one at the same place of another volume,
rem   is not overwritten: it may be the only copy of the users, and the Windows beside it
rem   empty. Only a capture that this session of WinPE began itself is begun again;
rem   lifeboat-store.txt in TEMP says which that is.
rem scanstate's temporary files, and its log outside of a task sequence, go to
rem   \Windows\Temp\lifeboat of the old Windows: the disk of WinPE is in memory, and small.
rem Exit codes: 0 safe to wipe; 1 the capture or the rescue failed; 2 a setting is missing
rem   or wrong; 3 not safe: losses, files that scanstate could not capture, or a store that
rem   was there already (then nothing was captured); 4 there is no old Windows, or no store;
rem   5 the share; 6 stopped. Stop the deployment for everything but 0.
setlocal EnableExtensions DisableDelayedExpansion
call "%~dp0prepare.cmd" before-wipe
if errorlevel 1 exit /b 1
set "LOST="
rem Without start.cmd, nothing has loaded the drivers of inject.sh --drivers yet.
if not exist "%TEMP%\lifeboat-drivers.txt" if exist "%~dp0drivers.cmd" call "%~dp0drivers.cmd"
if /i "%CAPTURE%"=="no" goto save

echo [1/4] Capture
set "OLD=%~1"
if defined OLD goto given
set "SEVERAL="
for %%D in (C D E F G H I J K L M N O P Q R S T U V W Y Z) do call :look %%D:
if not defined OLD goto nowindows
if defined SEVERAL goto several
:given
if "%OLD:~-1%"=="\" set "OLD=%OLD:~0,-1%"
if not exist "%OLD%\System32\config\SYSTEM" goto nowindows
for %%D in ("%OLD%") do set "VOLUME=%%~dD"
if not defined STORE set "STORE=%VOLUME%\StateStore"
set "MARK=%TEMP%\lifeboat-store.txt"
set "OURS="
if exist "%MARK%" for /f "usebackq delims=" %%S in ("%MARK%") do if /i "%%~S"=="%STORE%" set "OURS=1"
rem A store has a part at the same place of every volume; its first may be lost already.
for %%S in ("%STORE%") do set "PLACE=%%~pnxS"
set "FOUND="
for %%D in (C D E F G H I J K L M N O P Q R S T U V W Y Z) do if exist "%%D:%PLACE%\USMT" set "FOUND=%%D:%PLACE%"
if exist "%STORE%\USMT" set "FOUND=%STORE%"
if defined FOUND if not defined OURS goto there
if not defined LIFEBOAT_USMT set "LIFEBOAT_USMT=%~dp0USMT"
if not exist "%LIFEBOAT_USMT%\scanstate.exe" goto nousmt
if not defined LIFEBOAT_XML set "LIFEBOAT_XML=migdocs.xml migapp.xml"
set "XML="
for %%X in (%LIFEBOAT_XML%) do call :xml "%%~X"
if not defined LOGS set "LOGS=%TEMP%"
rem scanstate puts its temporary files beside itself, unless USMT_WORKING_DIR says where.
rem It writes the store to that volume anyway.
set "WORK=%TEMP%"
for %%S in ("%STORE%") do if /i not "%%~dS"=="%VOLUME%" goto work
if not exist "%OLD%\Temp\lifeboat\" md "%OLD%\Temp\lifeboat" 2>nul
if exist "%OLD%\Temp\lifeboat\" set "WORK=%OLD%\Temp\lifeboat"
:work
if not defined USMT_WORKING_DIR set "USMT_WORKING_DIR=%WORK%"
if /i "%LOGS%"=="%TEMP%" set "LOGS=%WORK%"
rem Before scanstate: what it leaves when it is stopped is this session's own.
if exist "%MARK%" del /f /q "%MARK%"
>"%MARK%" echo "%STORE%"
if not exist "%MARK%" goto nomark
rem /o replaces the store that is there.
set "OVER="
if defined FOUND if defined OURS set "OVER= /o"
rem /c: one file that cannot be read is no reason to capture nothing. Then 3 is returned.
"%LIFEBOAT_USMT%\scanstate.exe" "%STORE%" /offlineWinDir:"%OLD%" /hardlink /nocompress /efs:hardlink%OVER% /c /v:5%XML% /l:"%LOGS%\scanstate.log"
set "CODE=%ERRORLEVEL%"
if "%CODE%"=="0" goto save
echo scanstate returned %CODE%. See %LOGS%\scanstate.log
if not "%CODE%"=="3" exit /b 1
set "LOST=1"

:save
rem What scanstate could not capture is still saved with the rest: seal, rescue and gate
rem run in any case, and 3 stays 3.
echo [2/4] Seal
if defined STORE if exist "%STORE%" "%LIFEBOAT%" seal "%STORE%"
echo [3/4] Save
"%LIFEBOAT%" offload %SOURCES%
set "CODE=%ERRORLEVEL%"
if not "%CODE%"=="0" if not "%CODE%"=="3" exit /b %CODE%
echo [4/4] Check
"%LIFEBOAT%" gate %SOURCES%
set "CODE=%ERRORLEVEL%"
if not "%CODE%"=="0" exit /b %CODE%
if defined LOST goto lost
exit /b 0

:look
if /i "%1"=="%SystemDrive%" exit /b 0
if not exist "%1\Windows\System32\config\SYSTEM" exit /b 0
if defined OLD set "SEVERAL=1"
set "OLD=%1\Windows"
exit /b 0
:xml
set NAME=%~1
if exist "%LIFEBOAT_USMT%\%NAME%" set "NAME=%LIFEBOAT_USMT%\%NAME%"
set XML=%XML% /i:"%NAME%"
exit /b 0
:nowindows
echo No old Windows was found. Give its folder: before-wipe.cmd D:\Windows
echo If the PC has none, there is nothing to capture. If a BitLocker volume is locked,
echo unlock it first: manage-bde -unlock D: -RecoveryPassword ...
exit /b 4
:several
echo There are several Windows on this PC. Give the one to capture: before-wipe.cmd D:\Windows
exit /b 2
:nousmt
echo %LIFEBOAT_USMT%\scanstate.exe: there is no such file. Copy the folder of the ADK's USMT
echo for WinPE's architecture there, or set LifeboatUsmt.
exit /b 2
:there
echo DO NOT WIPE: there is a store already, and it may be the only copy of the users:
echo %FOUND%
echo Nothing was captured, and nothing was changed. Save it: %~dp0rescue.cmd
echo Then rename it and run this script again. If it is the capture of this deployment,
echo set LifeboatCapture (CAPTURE) to no instead.
exit /b 3
:nomark
echo %MARK% could not be written. Nothing was captured.
exit /b 1
:lost
echo BUT DO NOT WIPE YET: the store is saved, and scanstate could not capture every file.
echo Read %LOGS%\scanstate.log. To save the rest too: lifeboat offload --profiles
exit /b 3

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
rem   LifeboatEncrypt=yes (ENCRYPT=yes): encrypts the set, with passphrase-file of
rem   lifeboat.toml or LIFEBOAT_PASSPHRASE. stage.cmd needs the same.
rem   LifeboatAccept (ACCEPT), words separated by spaces, for what you looked at and do not
rem   need: lost, the files that scanstate could not capture, and the users whom it ignored;
rem   windows, the users of another Windows on this PC. Without them, both are 3.
rem A store that is there already, or a part of one at the same place of another volume,
rem   is not overwritten: it may be the only copy of the users, and the Windows beside it
rem   empty. Only an unfinished capture of this session of WinPE, of the same Windows, is
rem   begun again (lifeboat-store.txt in TEMP). A store that this session captured to its
rem   end (lifeboat-captured.txt) is saved and checked again, and not captured again.
rem   What was saved and is safe is not saved again in the same session.
rem If there is no old Windows, nothing is captured, and stores that are there are saved
rem   and checked all the same: after a wipe that failed, they are all that is left. But
rem   lifeboat detect must see no Windows with users then: it reads disks that cmd cannot.
rem scanstate's temporary files, and its log outside of a task sequence, go to
rem   \Windows\Temp\lifeboat of the old Windows: the disk of WinPE is in memory, and small.
rem   A copy of the log goes into the store's folder, where lifeboat reads it.
rem The name of the set that has the captured store is written to lifeboat-set.txt in TEMP:
rem   stage.cmd and restore.cmd restore that one in this session, whatever its time is.
rem Paths: the old Windows and the store need paths of ASCII letters. cmd reads no others.
rem Exit codes: 0 safe to wipe; 1 the capture or the rescue failed; 2 a setting is missing
rem   or wrong, or there is no Windows in the folder that was given; 3 not safe: losses or
rem   doubts, files that scanstate could not capture, a store that was there already (then
rem   nothing was captured), a store that is not among the saved ones, or a Windows whose
rem   users were not captured;
rem   4 every volume was read, and there is neither a store nor a Windows (files of another
rem   kind are not looked at); 5 the share; 6 stopped; 7 no volume could be read. Stop the
rem   deployment for everything but 0. 4 is a success for a PC that never had a Windows, and
rem   for no other: there, a disk is missing or the users are gone already.
rem   If the save ends with 3 and the check with 0, this script ends with 3. A seal that
rem   fails changes no code: without it, the check cannot say what was changed since.
setlocal EnableExtensions DisableDelayedExpansion
call "%~dp0prepare.cmd" before-wipe
if errorlevel 1 exit /b 1
set "LOST="
set "GONE="
set "DOUBT="
set "NOLOG="
set "OLD="
set "PLACE="
set "HOW="
if /i "%ENCRYPT%"=="yes" set "HOW=--encrypt"
rem For lifeboat offload and gate: profiles that scanstate ignored, by its log.
if defined ACCEPT for %%A in (%ACCEPT%) do if /i "%%A"=="lost" set "LIFEBOAT_ACCEPT_IGNORED=yes"
set "SEEN=%TEMP%\lifeboat-seen.txt"
set "ROW=%TEMP%\lifeboat-row.txt"
set "SAVED=%TEMP%\lifeboat-saved.txt"
set "CHOSEN=%TEMP%\lifeboat-set.txt"
if exist "%CHOSEN%" del /f /q "%CHOSEN%"
if exist "%CHOSEN%" set "MARK=%CHOSEN%"
if exist "%CHOSEN%" goto nomark
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
if not exist "%OLD%\System32\config\SYSTEM" goto notthere
for %%D in ("%OLD%") do set "VOLUME=%%~dD"
if not defined STORE set "STORE=%VOLUME%\StateStore"
set "ODD="
for /f "delims=abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789\:.,;_-+=()[]{}$#@~'&^!%% " %%A in ("%STORE%%OLD%") do set "ODD=%%A"
if defined ODD goto odd
call :stamp
set "MARK=%TEMP%\lifeboat-store.txt"
set "DONE=%TEMP%\lifeboat-captured.txt"
set "OURS="
if exist "%MARK%" for /f "usebackq tokens=1,2 delims=|" %%A in ("%MARK%") do if /i "%%~A"=="%STORE%" if "%%~B"=="%STAMP%" set "OURS=1"
set "CAPTURED="
set "SAME="
if exist "%DONE%" for /f "usebackq tokens=1-3 delims=|" %%A in ("%DONE%") do if /i "%%~A"=="%STORE%" (
    set "CAPTURED=%%~C"
    if "%%~B"=="%STAMP%" set "SAME=1"
)
rem A store has a part at the same place of every volume; its first may be lost already.
for %%S in ("%STORE%") do set "PLACE=%%~pnxS"
set "FOUND="
for %%D in (C D E F G H I J K L M N O P Q R S T U V W Y Z) do if exist "%%D:%PLACE%\USMT" set "FOUND=%%D:%PLACE%"
if exist "%STORE%\USMT" set "FOUND=%STORE%"
if defined FOUND if defined CAPTURED goto again
if defined CAPTURED if not defined SAME goto another
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
if exist "%DONE%" del /f /q "%DONE%"
if exist "%MARK%" del /f /q "%MARK%"
if exist "%MARK%" goto nomark
>"%MARK%" echo "%STORE%"^|"%STAMP%"
if not exist "%MARK%" goto nomark
rem Neither a seal nor a code of an earlier save counts for it.
if exist "%SAVED%" del /f /q "%SAVED%"
rem /o replaces the store that is there.
set "OVER="
if defined FOUND if defined OURS set "OVER= /o"
rem /c: one file that cannot be read is no reason to capture nothing. Then 3 is returned.
"%LIFEBOAT_USMT%\scanstate.exe" "%STORE%" /offlineWinDir:"%OLD%" /hardlink /nocompress /efs:hardlink%OVER% /c /v:5%XML% /l:"%LOGS%\scanstate.log"
set "CODE=%ERRORLEVEL%"
rem scanstate opens the registry of that Windows, which may change the file's time.
call :stamp
if not "%CODE%"=="0" if not "%CODE%"=="3" goto failed
if not exist "%STORE%\USMT\" goto failed
rem lifeboat reads a log that is beside a store, and it stays with it.
if exist "%LOGS%\scanstate.log" copy /y "%LOGS%\scanstate.log" "%STORE%\scanstate.log" >nul
rem From here on, the store is saved again, and never captured over.
>"%DONE%" echo "%STORE%"^|"%STAMP%"^|%CODE%
del /f /q "%MARK%"
if exist "%MARK%" goto nomark
if "%CODE%"=="0" goto save
echo scanstate returned 3. See "%STORE%\scanstate.log"
set "LOST=1"

:save
rem What scanstate could not capture is still saved with the rest: seal, rescue and gate
rem run in any case, and 3 stays 3.
if defined OLD if not exist "%STORE%\scanstate.log" set "NOLOG=1"
rem The place of the store as lifeboat prints it in JSON. A store on a share is not looked for.
set "PLACE="
if defined STORE if "%STORE:~1,1%"==":" if exist "%STORE%\USMT\" for %%S in ("%STORE%") do set "PLACE=%%~pnxS"
if defined PLACE set "PLACE=%PLACE:\=\\%"
set "CODE="
if exist "%SAVED%" call :gated
if "%CODE%"=="0" goto saved
echo [2/4] Seal
set "CODE=0"
if defined STORE if exist "%STORE%" call :seal
if not "%CODE%"=="0" echo The seal returned %CODE%. That is no reason to stop.
echo [3/4] Save
if defined PLACE if defined SOURCES call :cover
"%LIFEBOAT%" offload %HOW% %SOURCES%
set "CODE=%ERRORLEVEL%"
if "%CODE%"=="4" goto nothing
if not "%CODE%"=="0" if not "%CODE%"=="3" exit /b %CODE%
>"%SAVED%" echo "%CODE%"
goto check
:saved
echo [3/4] Save: this session saved every store already. They are not saved again.
for /f "usebackq" %%C in ("%SAVED%") do set "CODE=%%~C"
:check
if "%CODE%"=="3" set "DOUBT=1"
echo [4/4] Check
"%LIFEBOAT%" gate %SOURCES%
set "CODE=%ERRORLEVEL%"
if not "%CODE%"=="0" exit /b %CODE%
rem Which set has the store: of several sets, the one with the latest time may be another.
call :gated
if not "%CODE%"=="0" exit /b %CODE%
call :row
if defined PLACE if not defined SET goto unlisted
if defined SET >"%CHOSEN%" echo %SET%
if /i "%CAPTURE%"=="no" goto end
rem Is there a Windows with users that was not captured?
set "OTHERS=0"
if defined OLD call :persons "%VOLUME%"
if defined OLD set "OTHERS=%PERSONS%"
call :persons %SOURCES%
find """message_type"":""summary""" "%SEEN%" >nul
if not "%ERRORLEVEL%"=="0" goto unseen
if defined GONE if not "%CODE%"=="0" goto unsure
if %PERSONS% gtr %OTHERS% goto others
:end
if defined NOLOG goto nolog
if defined LOST goto lost
if defined DOUBT goto doubt
if defined GONE echo No old Windows was found, and nothing was captured. The stores are saved.
exit /b 0

rem The gate's answer for each store, as JSON: is it safe, and in which set?
:gated
"%LIFEBOAT%" gate --json %SOURCES% >"%SEEN%"
set "CODE=%ERRORLEVEL%"
exit /b 0
rem The set of the captured store, or of the only one.
:row
set "SET="
type "%SEEN%" | find """message_type"":""gate"",""" >"%ROW%"
if defined PLACE type "%SEEN%" | find ":%PLACE%\\USMT""" >"%ROW%"
set "ROWS=0"
for /f "usebackq delims=" %%L in ("%ROW%") do (
    set /a ROWS+=1 >nul
    set "SET=%%L"
)
if not defined PLACE if not "%ROWS%"=="1" set "SET="
if not defined SET exit /b 0
rem cmd cannot take a line apart at quotation marks.
set "SET=%SET:"=?%"
set "SET=%SET:*?set?:?=%"
for /f "delims=?" %%S in ("%SET%") do set "SET=%%S"
set "SET=%SET:\\=\%"
for %%S in ("%SET%") do set "SET=%%~nxS"
exit /b 0
rem LifeboatSource may leave out the volume of the store that was just captured.
:cover
call :gated
call :row
if not defined SET for %%S in ("%STORE%") do set SOURCES=%SOURCES% %%~dS
exit /b 0
rem The persons whose profiles lifeboat finds in a Windows.
:persons
"%LIFEBOAT%" detect --json %* >"%SEEN%"
set "CODE=%ERRORLEVEL%"
set "PERSONS=0"
type "%SEEN%" | find """kind"":""person""" | find """found"":true" >"%ROW%"
for /f "usebackq delims=" %%L in ("%ROW%") do set /a PERSONS+=1 >nul
exit /b 0

:seal
"%LIFEBOAT%" seal "%STORE%"
set "CODE=%ERRORLEVEL%"
exit /b 0
rem What tells this Windows from one that is applied later: the volume's serial number,
rem which a format changes, and the time and size of its registry.
:stamp
set "STAMP="
for /f "delims=" %%L in ('vol %VOLUME% 2^>nul') do set "STAMP=%%L"
for %%F in ("%OLD%\System32\config\SYSTEM") do set "STAMP=%STAMP% %%~tF %%~zF"
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
echo No old Windows was found: nothing is captured. If there is one, give its folder:
echo before-wipe.cmd D:\Windows
set "GONE=1"
goto save
:notthere
echo "%OLD%": there is no Windows in this folder. Nothing was captured.
exit /b 2
:odd
echo "%STORE%", "%OLD%": a letter is not ASCII ("%ODD%"). cmd cannot read such paths back.
echo Nothing was captured. Give another folder for the store: LifeboatStore (STORE).
exit /b 2
:nothing
rem No store, and every volume was read. A Windows without one: its users are not saved.
if exist "%SEEN%" del /f /q "%SEEN%"
"%LIFEBOAT%" detect --json %SOURCES% >"%SEEN%"
set "CODE=%ERRORLEVEL%"
if "%CODE%"=="0" set "CODE=3"
if not "%CODE%"=="4" echo DO NOT WIPE: lifeboat detect returned %CODE%.
if not "%CODE%"=="4" exit /b %CODE%
find """message_type"":""summary""" "%SEEN%" >nul
if not "%ERRORLEVEL%"=="0" goto unseen
find """message_type"":""windows""" "%SEEN%" >nul
if "%ERRORLEVEL%"=="0" goto unsaved
echo Every volume was read: there is neither a store nor a Windows on this PC.
exit /b 4
:unseen
echo DO NOT WIPE: "%SEEN%" could not be written, so it is not known what is on this PC.
exit /b 3
:unsaved
echo DO NOT WIPE: there is no store, but there is a Windows, or what is left of one. Its
echo users are not saved. See who they are:  lifeboat detect
echo Capture them:     before-wipe.cmd D:\Windows
echo Save their files: lifeboat offload --profiles
exit /b 3
:unlisted
echo BUT DO NOT WIPE: this store is not among those that were saved and checked:
echo "%STORE%"
if defined SOURCES echo LifeboatSource (SOURCES) must have its disk or volume: %SOURCES%
exit /b 3
:unsure
echo BUT DO NOT WIPE: no old Windows was found, and lifeboat detect returned %CODE%.
exit /b 3
:others
if defined GONE echo No old Windows was found, but lifeboat sees one with users that cmd cannot read.
if not defined GONE echo There is another Windows with users on this PC. They were not captured.
echo See who they are:  lifeboat detect
if defined ACCEPT for %%A in (%ACCEPT%) do if /i "%%A"=="windows" goto end
echo BUT DO NOT WIPE. Save their files: lifeboat offload --profiles
echo Or capture them: unlock the volume, give it a letter, then before-wipe.cmd D:\Windows
echo If they are not needed, set LifeboatAccept (ACCEPT) to windows, and run this again.
exit /b 3
:several
echo There are several Windows on this PC. Give the one to capture: before-wipe.cmd D:\Windows
exit /b 2
:nousmt
echo "%LIFEBOAT_USMT%\scanstate.exe": there is no such file. Copy the folder of the ADK's
echo USMT for WinPE's architecture there, or set LifeboatUsmt.
exit /b 2
:there
echo DO NOT WIPE: there is a store already, and it may be the only copy of the users:
echo "%FOUND%"
echo Nothing was captured, and nothing was changed. If it is the capture of this
echo deployment, set LifeboatCapture (CAPTURE) to no, and run this script again.
echo If not, save it: "%~dp0rescue.cmd"
echo Then move it to a disk that is not in this PC, or delete it, and run this again. If
echo it is only renamed, it is saved once more, as a second store of this PC: restore.cmd
echo in the new Windows then lists both sets, and restores none.
exit /b 3
:nomark
echo DO NOT WIPE: "%MARK%" cannot be written or deleted.
exit /b 1
:failed
>"%MARK%" echo "%STORE%"^|"%STAMP%"
echo DO NOT WIPE: scanstate returned %CODE%. See "%LOGS%\scanstate.log"
if not exist "%STORE%\USMT\" echo "%STORE%\USMT": it left no store there.
exit /b 1
:again
echo This session captured the store already: "%FOUND%"
echo It is not captured again. To do that, delete it first, if it is not the only copy.
if "%CAPTURED%"=="3" set "LOST=1"
goto save
:another
echo DO NOT WIPE: this session captured "%STORE%" already. Now that
echo store is gone, and the Windows is another one. Nothing was captured: an empty capture would
echo become the newest set of this PC. If the first one is saved, go on with stage.cmd. If
echo this is another PC, or you do want to capture this Windows, delete
echo "%DONE%"
exit /b 3
:doubt
echo BUT DO NOT WIPE YET: the save ended with losses or doubts. See the lines above.
exit /b 3
:nolog
echo BUT DO NOT WIPE YET: scanstate left no log, so it is not known whom it left out:
echo "%STORE%\scanstate.log"
exit /b 3
:lost
echo The store is saved, but scanstate could not capture every file. Read
echo "%STORE%\scanstate.log"
if defined ACCEPT for %%A in (%ACCEPT%) do if /i "%%A"=="lost" goto accepted
echo BUT DO NOT WIPE YET. To save the rest too: lifeboat offload --profiles
echo Then, or if they are not needed, set LifeboatAccept (ACCEPT) to lost and run
echo this script again: it is no reason to stop any more.
exit /b 3
:accepted
echo LifeboatAccept says that they are not needed.
set "LOST="
goto end

@echo off
rem AFTER THE NEW WINDOWS IS APPLIED, still in WinPE: restores this PC's newest rescue set
rem to the new volume, and has the new Windows run loadstate once, at its first start.
rem For deployment tools that end in WinPE. In the new Windows it needs neither the
rem network nor a password.
rem
rem   stage.cmd W: [\\server\rescue] [options]   W: is the new Windows' volume in WinPE
rem
rem Options go to lifeboat restore, such as --to D=E:\ (where the part of drive D: goes),
rem --part C (only that part), --replace, --passphrase-file FILE, --identity FILE.
rem LIFEBOAT_RESTORE=no restores nothing, and needs no W: yet. Run it so before the wipe: it
rem checks all that is needed after it, with the same exit codes: one set, which can be
rem opened, a volume for each of its parts but that of Windows, loadstate.exe, XML files.
rem
rem It copies lifeboat.exe and the folder USMT to \Windows\Setup\Lifeboat on that volume,
rem and adds a line to \Windows\Setup\Scripts\SetupComplete.cmd: the first one, because
rem what is there may end or restart Windows before its last line. Windows Setup runs that
rem file as SYSTEM, before the first logon. Windows does not run it if the PC has an OEM
rem product key: then run \Windows\Setup\Lifeboat\first-start.cmd as administrator.
rem
rem An encrypted set: passphrase-file in lifeboat.toml, LIFEBOAT_PASSPHRASE, or an option.
rem
rem Settings: LifeboatTo (LIFEBOAT_TO): the folder with the sets, if it is not given. This
rem   session must have access to it (net use). LifeboatName (LIFEBOAT_NAME): the name
rem   under which before-wipe.cmd saved the set, which must be set: WinPE does not know
rem   the PC's name. "to" and "name" in lifeboat.toml do not count here.
rem   LifeboatUsmt (LIFEBOAT_USMT): the folder with loadstate.exe [default: USMT beside
rem   this script]. LifeboatMigrationXml (LIFEBOAT_XML): as for before-wipe.cmd; files
rem   outside of the folder USMT are copied too. The store's folder is that of the set.
rem Exit codes: 0 done; 3 done, with losses that are listed; 1 something could not be
rem   written or restored, or is not there when it is read back; 2 a setting or a file is
rem   missing, or the newest run saved several stores of this PC: they are listed, give one
rem   of them; or a newer set is not complete, a set cannot be opened, or there is no volume
rem   for a part; 4 there is no set of this PC; 5 the folder with the sets cannot be reached,
rem   or a store is there already, or the disk is too small: see the lines above it; others
rem   are those of lifeboat restore. The new Windows runs loadstate only after 0 and 3.
setlocal EnableExtensions DisableDelayedExpansion
call "%~dp0prepare.cmd" stage
if errorlevel 1 exit /b 1
rem shift moves the first argument to the script's own place.
set "HERE=%~dp0"
set "NEW=%~1"
if not defined NEW goto usage
if "%NEW:~-1%"=="\" set "NEW=%NEW:~0,-1%"
set "CHECK="
if /i "%LIFEBOAT_RESTORE%"=="no" set "CHECK=1"
if not defined CHECK if not exist "%NEW%\Windows\System32\config\SYSTEM" goto nowindows
set "SETS=%~2"
shift
if "%SETS:~0,2%"=="--" set "SETS="
if defined SETS shift
rem WITH goes to restore, KEYS to all that opens a set.
set "WITH="
set "KEYS="
call :options %1 %2 %3 %4 %5 %6 %7 %8 %9
if not defined SETS set "SETS=%LIFEBOAT_TO%"
if not defined SETS goto usage
if not defined LIFEBOAT_NAME if not exist "%TEMP%\lifeboat-set.txt" if not exist "%SETS%\rescue.json" goto noname
if not defined LIFEBOAT_USMT set "LIFEBOAT_USMT=%HERE%USMT"
if not exist "%LIFEBOAT_USMT%\loadstate.exe" goto nousmt
set "THERE=%NEW%\Windows\Setup\Lifeboat"
set "MORE="
set "EXTRA="
set "NOXML="
if defined LIFEBOAT_XML for %%X in (%LIFEBOAT_XML%) do call :xml "%%~X"
if defined NOXML goto noxml

set "LIFEBOAT_RESTORE=no"
set "LIFEBOAT_CHOSEN=%TEMP%\lifeboat-chosen.txt"
if exist "%LIFEBOAT_CHOSEN%" del /f /q "%LIFEBOAT_CHOSEN%"
rem In a cmd of its own: it ends with its own exit code, in Wine too.
cmd /c ""%HERE%restore.cmd" "%SETS%""
set "CODE=%ERRORLEVEL%"
if "%CODE%"=="2" echo Nothing was restored. Give the set: stage.cmd %NEW% \\server\rescue\SET
if not "%CODE%"=="0" exit /b %CODE%
set "SET="
if exist "%LIFEBOAT_CHOSEN%" for /f "usebackq delims=" %%S in ("%LIFEBOAT_CHOSEN%") do set "SET=%%~S"
if not defined SET goto unread
if "%SET:~-1%"=="\" set "SET=%SET%\"
rem Can it be opened?
set "READ=%TEMP%\lifeboat-read.txt"
"%LIFEBOAT%" loadstate "%SET%" --json %KEYS% >"%READ%"
set "CODE=%ERRORLEVEL%"
if not "%CODE%"=="0" if not "%CODE%"=="3" "%LIFEBOAT%" loadstate "%SET%" %KEYS% <nul
if not "%CODE%"=="0" if not "%CODE%"=="3" goto closed
rem Where the store was: the part with the role primary or whole. In an encrypted set,
rem rescue.json does not say it: then it is in the command that lifeboat printed.
set "DRIVE="
set "PLACE="
for /f "usebackq tokens=1,* delims=:" %%A in ("%SET%\rescue.json") do (
    set "KEY=%%A"
    set "VALUE=%%B"
    call :field
)
set "LINE="
type "%READ%" | find """message_type"":""loadstate""" >"%LIFEBOAT_CHOSEN%"
for /f "usebackq delims=" %%L in ("%LIFEBOAT_CHOSEN%") do if not defined LINE set "LINE=%%L"
if not defined PLACE if defined LINE call :place
if not defined PLACE goto unread
set "ODD="
for /f "delims=abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789\:.,;_-+=()[]{}$#@~'&^!%% " %%A in ("%PLACE%") do set "ODD=%%A"
if defined ODD goto unread
if defined CHECK goto drives

rem A store that this puts back is not a capture that before-wipe.cmd may begin again.
if exist "%TEMP%\lifeboat-store.txt" del /f /q "%TEMP%\lifeboat-store.txt"
echo Restoring "%SET%"
"%LIFEBOAT%" restore "%SET%" --in-place --to "%DRIVE%=%NEW%\\" %WITH%
set "CODE=%ERRORLEVEL%"
if "%CODE%"=="3" echo Restored with losses: see the lines above and the log.
if not "%CODE%"=="0" if not "%CODE%"=="3" echo Not restored: see the lines above. The set is still there.
if not "%CODE%"=="0" if not "%CODE%"=="3" exit /b %CODE%
rem USMT, or USMT3 of an old version.
if not exist "%NEW%%PLACE%\USMT*" goto nostore

set "FIRST=%THERE%\first-start.cmd"
set "FAILED=%THERE%"
if not exist "%THERE%" md "%THERE%"
copy /y "%LIFEBOAT%" "%THERE%\lifeboat.exe" >nul
if not "%ERRORLEVEL%"=="0" goto failed
xcopy /e /i /y /q "%LIFEBOAT_USMT%" "%THERE%\USMT" >nul
if not "%ERRORLEVEL%"=="0" goto failed
if not exist "%THERE%\USMT\loadstate.exe" goto failed
if defined EXTRA for %%X in (%EXTRA%) do call :extra "%%~X"
if defined NOXML goto failed
set "FAILED=%FIRST%"
if exist "%FIRST%" del /f /q "%FIRST%"
if exist "%FIRST%" goto failed
>"%FIRST%" echo @echo off
>>"%FIRST%" echo "%%~dp0lifeboat.exe" loadstate "C:%PLACE%" --run --usmt "%%~dp0USMT"%MORE% --log "%%SystemRoot%%\Temp\lifeboat-loadstate.log"
rem A program that crashed returns a negative number: errorlevel 1 does not see it.
>>"%FIRST%" echo if not "%%ERRORLEVEL%%"=="0" exit /b %%ERRORLEVEL%%
>>"%FIRST%" echo rd /s /q "%%~dp0" ^& exit /b 0
>>"%FIRST%" echo rem complete
call :lines "%FIRST%"
if not "%COUNT% %LAST%"=="5 rem complete" goto failed

set "COMPLETE=%NEW%\Windows\Setup\Scripts\SetupComplete.cmd"
set "FAILED=%COMPLETE%"
set "WANTED=@call %%SystemRoot%%\Setup\Lifeboat\first-start.cmd"
if not exist "%NEW%\Windows\Setup\Scripts" md "%NEW%\Windows\Setup\Scripts"
call :lines "%COMPLETE%"
if "%HEAD%"=="%WANTED%" goto done
rem Its bytes stay as they are, behind our line: even without a line break at its end.
>"%THERE%\complete.1" echo @call "%%SystemRoot%%\Setup\Lifeboat\first-start.cmd"
if exist "%COMPLETE%" attrib -r -h -s "%COMPLETE%"
if exist "%COMPLETE%" copy /y /b "%THERE%\complete.1"+"%COMPLETE%" "%THERE%\complete.2" >nul
if not exist "%COMPLETE%" copy /y /b "%THERE%\complete.1" "%THERE%\complete.2" >nul
if not exist "%THERE%\complete.2" goto failed
copy /y /b "%THERE%\complete.2" "%COMPLETE%" >nul
call :lines "%COMPLETE%"
if not "%HEAD%"=="%WANTED%" goto failed
set "SIZE="
for %%F in ("%COMPLETE%") do set "SIZE=%%~zF"
for %%F in ("%THERE%\complete.2") do if not "%%~zF"=="%SIZE%" goto failed
:done
if exist "%THERE%\complete.?" del /f /q "%THERE%\complete.?"
echo The store is at "%NEW%%PLACE%". The new Windows runs loadstate at its first start.
echo If the PC has an OEM product key, Windows skips that: then run, as administrator,
echo %%SystemRoot%%\Setup\Lifeboat\first-start.cmd
exit /b %CODE%
:drives
rem The part of Windows goes below a file, which cannot be: nothing is written. But first,
rem restore looks for a volume for each other part, and ends with 2 if there is none.
"%LIFEBOAT%" restore "%SET%" --in-place --to "%DRIVE%=%READ%" %WITH% >"%LIFEBOAT_CHOSEN%" 2>&1
if not "%ERRORLEVEL%"=="2" exit /b 0
type "%LIFEBOAT_CHOSEN%"
echo Nothing was restored. After the arguments, options go to restore: --to D=ROOT, --part C
exit /b 2
rem The options behind the arguments. cmd takes --to D=E:\ apart at the equals sign.
:options
if "%~1"=="" exit /b 0
if "%~1"=="--to" goto root
set "KEY="
for %%K in (--passphrase-file --identity --user --password-file) do if "%~1"=="%%K" set "KEY=1"
if defined KEY set KEYS=%KEYS% %1 "%~2"
set WITH=%WITH% %1
shift
goto options
:root
set "ROOT=%~2"
if "%ROOT:~1%"=="" set "ROOT=%ROOT%=%~3"
if "%~2=%~3"=="%ROOT%" shift
if "%ROOT:~-1%"=="\" set "ROOT=%ROOT%\"
set WITH=%WITH% --to "%ROOT%"
shift
shift
goto options
rem One line of rescue.json: "path": "StateStore",
:field
if not defined VALUE exit /b 0
set "KEY=%KEY:"=%"
set "KEY=%KEY: =%"
set "VALUE=%VALUE:"=%"
set "VALUE=%VALUE:~1%"
if not defined VALUE exit /b 0
if "%VALUE:~-1%"=="," set "VALUE=%VALUE:~0,-1%"
if "%KEY%"=="path" set "ITS_PATH="
if not defined VALUE exit /b 0
if "%KEY%"=="drive" set "ITS_DRIVE=%VALUE%"
if "%KEY%"=="path" set "ITS_PATH=%VALUE:/=\%"
if not "%KEY%"=="role" exit /b 0
if defined PLACE exit /b 0
if not defined ITS_PATH exit /b 0
if not "%VALUE%"=="primary" if not "%VALUE%"=="whole" exit /b 0
set "DRIVE=%ITS_DRIVE%"
set "PLACE=\%ITS_PATH%"
exit /b 0
rem From the line of JSON: "command":"loadstate C:\\StateStore /hardlink ...". If the path has
rem spaces, it is in escaped quotation marks. cmd cannot take a line apart at those.
:place
set "LINE=%LINE:"=?%"
set "REST=%LINE:*?command?:?loadstate =%"
if "%REST%"=="%LINE%" exit /b 0
if "%REST:~0,1%"=="<" exit /b 0
set "UNTIL= "
if "%REST:~0,2%"=="\?" set "UNTIL=?"
if "%UNTIL%"=="?" set "REST=%REST:~2%"
for /f "delims=%UNTIL%" %%P in ("%REST%") do set "PLACE=%%P"
set "PLACE=%PLACE:\\=\%"
if "%UNTIL%"=="?" set "PLACE=%PLACE:~0,-1%"
set "DRIVE=%PLACE:~0,1%"
set "PLACE=%PLACE:~2%"
exit /b 0
rem The first and the last line of a file, without quotation marks, and their number.
:lines
set "HEAD="
set "LAST="
set "COUNT=0"
if not exist %1 exit /b 0
for /f "usebackq delims=" %%L in (%1) do (
    set "LAST=%%L"
    call :line
)
exit /b 0
:line
set /a COUNT+=1
set "LAST=%LAST:"=%"
if "%COUNT%"=="1" set "HEAD=%LAST%"
exit /b 0
:xml
rem lifeboat loadstate finds the name in the folder USMT.
if exist "%LIFEBOAT_USMT%\%~1" set MORE=%MORE% --i "%~1"
if exist "%LIFEBOAT_USMT%\%~1" exit /b 0
if not exist "%~1" set "NOXML=%~1"
set EXTRA=%EXTRA% "%~f1"
set MORE=%MORE% --i "%~nx1"
exit /b 0
:extra
copy /y %1 "%THERE%\USMT\%~nx1" >nul
if not "%ERRORLEVEL%"=="0" set "NOXML=%~1"
exit /b 0
:noxml
echo "%NOXML%": there is no such file, neither in "%LIFEBOAT_USMT%" nor by itself.
echo LifeboatMigrationXml lists it. Nothing was restored.
exit /b 2
:closed
echo "%SET%": lifeboat cannot open this set (%CODE%). Nothing was restored.
echo If it is encrypted: passphrase-file in lifeboat.toml, or --identity FILE at the end.
if "%CODE%"=="5" exit /b 5
exit /b 2
:unread
echo "%SET%": it is not known where the store was, or its path is not in ASCII letters,
echo which cmd cannot read. Nothing was restored. In the new Windows, as administrator:
echo restore.cmd SET
exit /b 1
:nostore
echo "%NEW%%PLACE%": the store is not there after the restore. The new Windows would not
echo find it. In the new Windows, as administrator: restore.cmd
echo "%SET%"
exit /b 1
:usage
echo Where is the new Windows, and where are the rescue sets? stage.cmd W: \\server\rescue
exit /b 2
:nowindows
echo "%NEW%": there is no Windows on this volume.
exit /b 2
:noname
echo Under which name was the set saved? Set LifeboatName, or give the set:
echo stage.cmd %NEW% \\server\rescue\SET
exit /b 2
:nousmt
echo "%LIFEBOAT_USMT%\loadstate.exe": there is no such file. Copy the folder of the ADK's
echo USMT for the new Windows' architecture there, or set LifeboatUsmt.
exit /b 2
:failed
echo "%FAILED%" could not be written. The store is at "%NEW%%PLACE%",
echo and the new Windows does not run loadstate by itself. Run it there, as administrator:
echo restore.cmd "%SET%"
exit /b 1

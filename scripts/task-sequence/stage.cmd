@echo off
rem AFTER THE NEW WINDOWS IS APPLIED, still in WinPE: restores this PC's newest rescue set
rem to the new volume, and has the new Windows run loadstate once, at its first start.
rem For deployment tools that end in WinPE. In the new Windows it needs neither the
rem network nor a password.
rem
rem   stage.cmd W: [\\server\rescue]     W: is the volume of the new Windows in WinPE
rem
rem It copies lifeboat.exe and the folder USMT to \Windows\Setup\Lifeboat on that volume,
rem and adds a line to \Windows\Setup\Scripts\SetupComplete.cmd. Windows Setup runs that
rem file as SYSTEM, before the first logon. Windows does not run it if the PC has an OEM
rem product key: then run \Windows\Setup\Lifeboat\first-start.cmd as administrator.
rem
rem Settings: LifeboatTo (LIFEBOAT_TO): the folder with the sets, if it is not given. This
rem   session must have access to it (net use). LifeboatName (LIFEBOAT_NAME): the name
rem   under which before-wipe.cmd saved the set, which must be set: in WinPE, the PC has
rem   no name of its own.
rem   LifeboatUsmt (LIFEBOAT_USMT): the folder with loadstate.exe [default: USMT beside
rem   this script]. LifeboatStore (STORE): as for before-wipe.cmd.
rem Exit codes: 0 done; 3 done, with losses that are listed; 1 something could not be
rem   written or restored; 2 a setting is missing, or the newest run saved several stores
rem   of this PC: they are listed, give one of them; 4 there is no set of this PC; 5 the
rem   folder with the sets cannot be reached; others are those of lifeboat restore.
setlocal EnableExtensions DisableDelayedExpansion
call "%~dp0prepare.cmd" stage
if errorlevel 1 exit /b 1
set "NEW=%~1"
if not defined NEW goto usage
if not exist "%NEW%\Windows\System32\config\SYSTEM" goto nowindows
set "SETS=%~2"
if not defined SETS set "SETS=%LIFEBOAT_TO%"
if not defined SETS goto usage
if not defined LIFEBOAT_NAME if not exist "%SETS%\rescue.json" goto noname
if not defined LIFEBOAT_USMT set "LIFEBOAT_USMT=%~dp0USMT"
if not exist "%LIFEBOAT_USMT%\loadstate.exe" goto nousmt
rem The store comes to the drive that it is from: in the new Windows, C:.
set "PLACE=\StateStore"
if defined STORE for %%S in ("%STORE%") do set "PLACE=%%~pnxS"

set "LIFEBOAT_LOADSTATE=no"
rem In a cmd of its own: it ends with its own exit code, in Wine too.
cmd /c ""%~dp0restore.cmd" "%SETS%""
set "CODE=%ERRORLEVEL%"
if "%CODE%"=="2" echo Nothing was restored. Give the set: stage.cmd %NEW% \\server\rescue\SET
if not "%CODE%"=="0" if not "%CODE%"=="3" exit /b %CODE%

set "THERE=%NEW%\Windows\Setup\Lifeboat"
set "FIRST=%THERE%\first-start.cmd"
if not exist "%THERE%" md "%THERE%"
copy /y "%LIFEBOAT%" "%THERE%\lifeboat.exe" >nul
if errorlevel 1 goto failed
xcopy /e /i /y /q "%LIFEBOAT_USMT%" "%THERE%\USMT" >nul
if not "%ERRORLEVEL%"=="0" goto failed
set "MORE="
if defined LIFEBOAT_XML for %%X in (%LIFEBOAT_XML%) do call :xml "%%~X"
>"%FIRST%" echo @echo off
>>"%FIRST%" echo "%%~dp0lifeboat.exe" loadstate "C:%PLACE%" --run --usmt "%%~dp0USMT"%MORE% --log "%%SystemRoot%%\Temp\lifeboat-loadstate.log"
rem A program that crashed returns a negative number: errorlevel 1 does not see it.
>>"%FIRST%" echo if not "%%ERRORLEVEL%%"=="0" exit /b %%ERRORLEVEL%%
>>"%FIRST%" echo rd /s /q "%%~dp0" ^& exit /b 0
if not exist "%FIRST%" goto failed
set "COMPLETE=%NEW%\Windows\Setup\Scripts\SetupComplete.cmd"
if not exist "%NEW%\Windows\Setup\Scripts" md "%NEW%\Windows\Setup\Scripts"
rem A SetupComplete.cmd that is there keeps its lines, and runs ours last.
if exist "%COMPLETE%" find "Lifeboat\first-start.cmd" "%COMPLETE%" >nul
if exist "%COMPLETE%" if "%ERRORLEVEL%"=="0" goto done
>>"%COMPLETE%" echo call "%%SystemRoot%%\Setup\Lifeboat\first-start.cmd"
if not exist "%COMPLETE%" goto failed
:done
echo The store is on %NEW%. The new Windows runs loadstate at its first start.
exit /b %CODE%
:xml
set MORE=%MORE% --i "%%~dp0USMT\%~nx1"
exit /b 0
:usage
echo Where is the new Windows, and where are the rescue sets? stage.cmd W: \\server\rescue
exit /b 2
:nowindows
echo %NEW%: there is no Windows on this volume.
exit /b 2
:noname
echo Under which name was the set saved? Set LifeboatName, or give the set:
echo stage.cmd %NEW% \\server\rescue\SET
exit /b 2
:nousmt
echo %LIFEBOAT_USMT%\loadstate.exe: there is no such file. Copy the folder of the ADK's USMT
echo for the new Windows' architecture there, or set LifeboatUsmt.
exit /b 2
:failed
echo %THERE% could not be written.
exit /b 1

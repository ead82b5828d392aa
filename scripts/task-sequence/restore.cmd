@echo off
rem RESTORE AND LOADSTATE: run it after re-imaging, in the new Windows, as administrator.
rem It restores this PC's newest rescue set to its place, then runs loadstate.
rem
rem ConfigMgr: use a step "Run Command Line" in place of "Restore User State", with a
rem   package that has these scripts and lifeboat.exe; loadstate.exe comes from the
rem   USMT package:  cmd /c restore.cmd \\server\rescue
rem MDT: use the same step in place of "Restore User State".
rem Manually: restore.cmd \\server\rescue   or, for one set:
rem   restore.cmd \\server\rescue\PC-0815-20260101T000000Z-1a2b3c4d
rem
rem Settings: the first argument, or else LifeboatTo, or else LIFEBOAT_TO: the folder
rem   with the sets, or a set. This session must have access to it: net use. The script
rem   finds sets by the name of the PC: LifeboatName, or else the computer's name.
rem   LifeboatUsmt: the folder with loadstate.exe [default: beside lifeboat.exe, the
rem   PATH, the ADK]. LifeboatMigrationXml: the XML files of the capture, separated by
rem   spaces [default: migdocs.xml migapp.xml].
rem   LIFEBOAT_LOADSTATE=no restores without loadstate. LIFEBOAT_RESTORE=no restores
rem   nothing: it only says which set it would be, with the same exit codes 2, 4 and 5.
rem   Of lifeboat.toml, only the account and what lifeboat itself reads count here: "to"
rem   and "name" do not.
rem   In the session of WinPE in which before-wipe.cmd saved a set, that set is restored,
rem   not the newest by its name: a clock may have been wrong.
rem Exit codes: those of lifeboat; 2 also if the newest run saved several stores of this
rem   PC: they are listed, give one of them; or if a newer set is not complete; 4 there is
rem   no set of this PC, or not the one that before-wipe.cmd saved; 5 the folder with the
rem   sets cannot be reached; also if a store is there already, or the disk is too small.
setlocal EnableExtensions DisableDelayedExpansion
call "%~dp0prepare.cmd" restore
if errorlevel 1 exit /b 1
set "SETS=%~1"
if not defined SETS set "SETS=%LIFEBOAT_TO%"
if not defined SETS goto nowhere
if "%SETS:~-1%"=="\" if not "%SETS:~-2%"==":\" set "SETS=%SETS:~0,-1%"
if not defined LIFEBOAT_NAME set "LIFEBOAT_NAME=%COMPUTERNAME%"
rem A store that this puts back is not a capture that before-wipe.cmd may begin again.
if /i not "%LIFEBOAT_RESTORE%"=="no" if exist "%TEMP%\lifeboat-store.txt" del /f /q "%TEMP%\lifeboat-store.txt"
set "SET="
if exist "%SETS%\rescue.json" set "SET=%SETS%"
if defined SET goto found
if not exist "%SETS%\" if not exist "%SETS%\*" goto unreachable
rem before-wipe.cmd wrote down which set has the store of this deployment.
set "KNOWN="
if exist "%TEMP%\lifeboat-set.txt" for /f "usebackq delims=" %%S in ("%TEMP%\lifeboat-set.txt") do set "KNOWN=%%S"
if defined KNOWN if not exist "%SETS%\%KNOWN%\rescue.json" goto notthere
if defined KNOWN set "SET=%SETS%\%KNOWN%"
if defined SET goto found
rem A set's folder is named as lifeboat offload names it: letters and digits of the
rem PC's name, - for all others, at most 40, none at the ends. Then the time and an
rem id: PC-1 has no sets of PC-1-A.
set "NAME="
set "REST=%LIFEBOAT_NAME%"
:fold
if not defined REST goto folded
set "CHAR=%REST:~0,1%"
set "REST=%REST:~1%"
set "KEPT=-"
for %%L in (0 1 2 3 4 5 6 7 8 9 a b c d e f g h i j k l m n o p q r s t u v w x y z) do if /i "%%L"=="%CHAR%" set "KEPT=%%L"
set "NAME=%NAME%%KEPT%"
goto fold
:folded
set "NAME=%NAME:~0,40%"
:trim
if not defined NAME goto nothing
if "%NAME:~0,1%"=="-" set "NAME=%NAME:~1%"& goto trim
if "%NAME:~-1%"=="-" set "NAME=%NAME:~0,-1%"& goto trim
rem Names end in the time and an id: the last one in order is the newest. All sets of one
rem run have the time of its begin: then none is newer. A set without rescue.json is not
rem complete: an older one in its place would be old files. A set of users' files or of a
rem folder is no store: loadstate cannot use it.
set "TIME_OF="
set "UNFINISHED="
for /f "delims=" %%D in ('dir /b /ad /on "%SETS%\%NAME%-????????T??????Z-*" 2^>nul') do call :newest "%%D"
if defined UNFINISHED goto unfinished
if not defined SET goto nothing
if defined SEVERAL goto several
:found
if /i "%LIFEBOAT_RESTORE%"=="no" goto only
if "%SET:~-1%"=="\" set "SET=%SET%\"
echo Restoring "%SET%"
"%LIFEBOAT%" restore "%SET%" --in-place
set "CODE=%ERRORLEVEL%"
if "%CODE%"=="3" echo Restored with losses: see the lines above and the log.
if not "%CODE%"=="0" if not "%CODE%"=="3" echo Not restored: see the lines above. The set is still there.
if not "%CODE%"=="0" if not "%CODE%"=="3" exit /b %CODE%
if /i "%LIFEBOAT_LOADSTATE%"=="no" exit /b %CODE%
set "MORE="
if defined LIFEBOAT_USMT set MORE=--usmt "%LIFEBOAT_USMT%"
if defined LIFEBOAT_XML for %%X in (%LIFEBOAT_XML%) do call :xml "%%~X"
"%LIFEBOAT%" loadstate "%SET%" --run %MORE%
set "AFTER=%ERRORLEVEL%"
if not "%AFTER%"=="0" set "CODE=%AFTER%"
exit /b %CODE%
:newest
set "FOLDER=%~1"
set "WHOLE=%FOLDER:.partial=%"
if not "%WHOLE%"=="%FOLDER%" goto incomplete
if not exist "%SETS%\%FOLDER%\rescue.json" goto incomplete
call :is_store %1
if not "%ERRORLEVEL%"=="0" exit /b 0
if defined UNFINISHED if /i not "%FOLDER:~0,-9%"=="%SINCE%" set "UNFINISHED="
set "SEVERAL="
if /i "%FOLDER:~0,-9%"=="%TIME_OF%" set "SEVERAL=1"
set "TIME_OF=%FOLDER:~0,-9%"
set "SET=%SETS%\%FOLDER%"
exit /b 0
:incomplete
set "UNFINISHED=%FOLDER%"
set "SINCE=%WHOLE:~0,-9%"
exit /b 0
:xml
set MORE=%MORE% --i %1
exit /b 0
:only
echo The set to restore: "%SET%"
if defined LIFEBOAT_CHOSEN >"%LIFEBOAT_CHOSEN%" echo "%SET%"
exit /b 0
:nowhere
echo Where are the rescue sets? restore.cmd \\server\rescue
exit /b 2
:is_store
type "%SETS%\%~1\rescue.json" | find """what"": ""store""" >nul
exit /b %ERRORLEVEL%
:show
call :is_store %1
if "%ERRORLEVEL%"=="0" echo   "%SETS%\%~1"
exit /b 0
:notthere
echo "%SETS%": the set that before-wipe.cmd saved is not there:
echo %KNOWN%
echo Give the folder with that set; or a set itself, to restore another one.
exit /b 4
:unfinished
echo "%SETS%": a set is newer, but not complete:
echo %UNFINISHED%
echo An older one would bring back old files. Finish it: rescue.cmd, if the store is still
echo there. If it is not needed, delete it, or give the set to restore: restore.cmd SET
exit /b 2
:unreachable
echo "%SETS%": the folder with the rescue sets cannot be reached.
echo Log on to the share first: net use \\server\rescue /user:CORP\name
exit /b 5
:several
echo The newest run saved several stores of "%LIFEBOAT_NAME%":
for /f "delims=" %%D in ('dir /b /ad /on "%SETS%\%TIME_OF%-????????" 2^>nul') do if exist "%SETS%\%%D\rescue.json" call :show "%%D"
echo Give one: restore.cmd SET. "lifeboat list SET" shows what is in it.
exit /b 2
:nothing
echo "%SETS%": there is no complete rescue set of a store of "%LIFEBOAT_NAME%".
exit /b 4

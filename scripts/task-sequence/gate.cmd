@echo off
rem SAFE TO WIPE? Checks that every migration store of this PC is in a verified rescue
rem set, before the step that formats or wipes the disk.
rem
rem ConfigMgr: add a step "Run Command Line" directly before "Format and Partition Disk"
rem   or "Apply Operating System":  cmd /c X:\Lifeboat\gate.cmd
rem   Do not select "Continue on error": the task sequence must stop.
rem MDT: add the same step before "Format and Partition Disk" in "Preinstall".
rem
rem Settings: the sets are in LifeboatTo, or else in the destination of lifeboat.toml.
rem   LifeboatWipes lists the drives that will be wiped, as C: or C: D: -- a sealed store
rem   on another drive may then stay on the disk. Without it, everything counts as wiped.
rem   The script passes its arguments to "lifeboat gate".
rem Exit codes: those of lifeboat. 0 safe to wipe; 3 not safe; 4 every volume was read, and
rem   there is no store on this PC (add 4 to the success codes of the step only for PCs
rem   that had no users); 5 the share; 7 no volume could be read: whether there is a store
rem   is not known.
setlocal DisableDelayedExpansion
call "%~dp0prepare.cmd" gate
if errorlevel 1 exit /b 1
set "MORE="
if defined WIPES for %%W in (%WIPES%) do call :wipes "%%~W"
"%LIFEBOAT%" gate %MORE% %*
exit /b %ERRORLEVEL%
:wipes
set MORE=%MORE% --wipes %1
exit /b 0

@echo off
rem RESCUE ON FAILURE: saves every migration store of this PC to the share.
rem
rem ConfigMgr: put the steps before it in a group with "Continue on error". At the end
rem   of the task sequence, add a group with the condition
rem   "Task Sequence Variable _SMSTSLastActionSucceeded equals false". In it, add one
rem   step "Run Command Line":  cmd /c X:\Lifeboat\rescue.cmd
rem   The error dialog closes after 15 minutes and restarts WinPE: this step runs
rem   before it appears.
rem MDT: add the same step at the end of "State Restore" and of "Install", with the
rem   same condition. CustomSettings.ini can set the variables:
rem   LifeboatTo=\\server\rescue  LifeboatUser=CORP\svc-rescue  LifeboatPassword=...
rem
rem Settings: the variables of the task sequence LifeboatTo, LifeboatUser,
rem   LifeboatPassword, LifeboatName (hide the password: "Do not display this
rem   value"); or else lifeboat.toml beside lifeboat.exe. The script passes its
rem   arguments to "lifeboat offload".
rem Exit codes: those of lifeboat. 0 saved; 3 saved with losses or doubts; 4 no store found,
rem   and every volume was read; 5 the share; 6 stopped (run it again to resume); 7 no volume
rem   could be read: whether there is a store is not known; 1, 2 failed.
setlocal DisableDelayedExpansion
call "%~dp0prepare.cmd" rescue
if errorlevel 1 exit /b 1
"%LIFEBOAT%" offload %*
exit /b %ERRORLEVEL%

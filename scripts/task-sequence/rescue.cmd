@echo off
rem RESCUE ON FAILURE: saves every migration store of this PC to the share.
rem
rem ConfigMgr: a group at the end of the task sequence, condition
rem   "Task Sequence Variable _SMSTSLastActionSucceeded equals false", and the
rem   steps before it in a group with "Continue on error". In it one step
rem   "Run Command Line":  cmd /c X:\Lifeboat\rescue.cmd
rem   The error dialog closes after 15 minutes and restarts WinPE: this step runs
rem   before it appears.
rem MDT: the same step at the end of "State Restore" and of "Install", with the
rem   same condition. CustomSettings.ini may set the variables:
rem   LifeboatTo=\\server\rescue  LifeboatUser=CORP\svc-rescue  LifeboatPassword=...
rem
rem Settings: variables of the task sequence LifeboatTo, LifeboatUser,
rem   LifeboatPassword, LifeboatName (hide the password: "Do not display this
rem   value"); else lifeboat.toml beside lifeboat.exe. Anything after the script's
rem   name is handed to "lifeboat offload".
rem Exit codes: lifeboat's. 0 saved; 3 saved with losses; 4 there was no store;
rem   5 the share; 6 stopped (run again: it goes on); 1, 2 failed.
setlocal DisableDelayedExpansion
call "%~dp0prepare.cmd" rescue
if errorlevel 1 exit /b 1
"%LIFEBOAT%" offload %*
exit /b %ERRORLEVEL%

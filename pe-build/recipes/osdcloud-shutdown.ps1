# OSDCLOUD, AFTER THE NEW WINDOWS IS APPLIED: restores the rescue set of this PC, and has
# the new Windows run loadstate at its first start.
#
# Put it in Config\Scripts\Shutdown of the OSDCloud workspace, then run Edit-OSDCloudWinPE.
# OSDCloud runs all scripts of that folder at the end, in WinPE, when the new Windows is
# on C:. It writes its own SetupComplete.cmd before that, which calls a SetupComplete.ps1
# that restarts the PC at its end. stage.cmd puts its line before that call, so loadstate
# ends first. To leave out that restart, too, before Start-OSDCloud:
# $Global:MyOSDCloud = @{ SetupCompleteNoRestart = $true }
# ($Global:OSDCloud.SetupCompleteNoRestart in a startup script does the same).
# It needs LIFEBOAT_TO and LIFEBOAT_NAME: set both in the startup script of your own, for
# the process, before osdcloud-startup.ps1 runs. That script must log on to the share, too:
# net use \\server\rescue /user:CORP\name
#
# Exit codes of stage.cmd: 0 done; 3 with losses; 4 no set of this PC, as for a new PC; 5 the
# share cannot be reached. For all others the set is still on the share: this script says so
# and goes on.
#
# Read from the source of the module OSD, 2026; not tested in OSDCloud.
& $env:ComSpec /c 'X:\Lifeboat\stage.cmd' 'C:'
$code = $LASTEXITCODE
switch ($code) {
    0 { Write-Host 'The users of this PC come back at the first start.' -ForegroundColor Green }
    3 { Write-Host 'Restored with losses: see the log of Lifeboat.' -ForegroundColor Yellow }
    4 { Write-Host 'There is no rescue set of this PC.' -ForegroundColor Yellow }
    default {
        if ($code -eq 5) { Write-Host 'The share with the rescue sets cannot be reached.' -ForegroundColor Red }
        Write-Host "Not restored (exit code $code). The set is still on the share." -ForegroundColor Red
        Write-Host 'In the new Windows, as administrator: restore.cmd \\server\rescue'
    }
}

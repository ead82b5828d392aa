# OSDCLOUD, BEFORE THE WIPE: captures, seals and saves the users of this PC, and lets
# OSDCloud go on only if it is safe to wipe.
#
# Put it in Config\Scripts\Startup of the OSDCloud workspace, then run Edit-OSDCloudWinPE.
# OSDCloud runs all scripts of that folder in the order of their names before it clears
# the disk. After that, add Lifeboat to the boot image with inject.sh --start no, with the
# folder USMT in it: Edit-OSDCloudWinPE overwrites startnet.cmd (docs/guide/recipes.md).
#
# Exit codes: OSDCloud looks at none. So this script does not end before before-wipe.cmd
# returns 0, and stage.cmd says that it could restore after the wipe: the share, the name,
# one set that can be opened, a volume for each of its parts, loadstate.exe. Or before-wipe.cmd
# returns 4: every volume was read, and there is neither a store nor a Windows, as on a new
# PC. Until then it opens a prompt: rescue what is missing, type exit, and it checks
# again. Type skip-rescue in the prompt only if nothing on this PC is needed.
#
# Read from the source of the module OSD, 2026; not tested in OSDCloud.
$script = 'X:\Lifeboat\before-wipe.cmd'
if (-not (Test-Path -LiteralPath $script)) {
    throw "$script is missing in this boot image. The disk is not wiped."
}
# With this file, made by the technician in the prompt, the wipe goes on in any case.
$skip = Join-Path $env:TEMP 'lifeboat-skip.txt'
$command = Join-Path $env:SystemRoot 'System32\skip-rescue.cmd'
# One skip counts for one run.
if (Test-Path -LiteralPath $skip) { Remove-Item -LiteralPath $skip -Force }
Set-Content -LiteralPath $command -Encoding Ascii -Value @('@echo off', "echo skipped>`"$skip`"", 'exit')

do {
    & $env:ComSpec /c $script
    $code = $LASTEXITCODE
    if ($code -eq 0) {
        # What osdcloud-shutdown.ps1 needs later. With this variable, nothing is restored.
        $env:LIFEBOAT_RESTORE = 'no'
        & $env:ComSpec /c 'X:\Lifeboat\stage.cmd' 'C:'
        $stage = $LASTEXITCODE
        Remove-Item Env:LIFEBOAT_RESTORE
        if ($stage -eq 0) { break }
        Write-Host "The users are saved, but stage.cmd could not restore them: it returned $stage." -ForegroundColor Red
    }
    if ($code -eq 4) {
        Write-Host 'Nothing to save on this PC. OSDCloud goes on.' -ForegroundColor Green
        break
    }
    if ($code -ne 0) {
        Write-Host "DO NOT WIPE: before-wipe.cmd returned $code. See the lines above." -ForegroundColor Red
    }
    Write-Host 'Type lifeboat for the guided rescue, exit to check again,'
    Write-Host 'or skip-rescue to wipe without a rescue.'
    & $env:ComSpec /k
} until (Test-Path -LiteralPath $skip)

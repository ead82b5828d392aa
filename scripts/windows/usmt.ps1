# Settles the open questions about loadstate (docs/guide/windows.md, A to J) with the
# ADK's real USMT.
#
#   usmt.ps1 -Lifeboat FILE -Out FOLDER [-Usmt FOLDER] -ThisMachineMayBeChanged
#
# It makes a user and a disk in a file, captures both with hard links, saves the store
# with Lifeboat, deletes it, restores it, and runs loadstate with each command line.
# Everything that is worth keeping goes to the folder Out: answers.json, hardlink.main,
# the logs. Run it as administrator, in Windows PowerShell, on a machine that can be
# thrown away: it installs the ADK, and it makes C:\StateStore.
#
# It ends with 0 if every question was asked, whatever the answers are, and with 1 if a
# step before that failed.
param(
    [Parameter(Mandatory = $true)] [string] $Lifeboat,
    [Parameter(Mandatory = $true)] [string] $Out,
    [string] $Usmt = '',
    [switch] $ThisMachineMayBeChanged
)
Set-StrictMode -Version 2
$ErrorActionPreference = 'Stop'

# The ADK for Windows 11 24H2 (10.1.26100.2454): adksetup.exe, which downloads the rest.
$AdkSetup = 'https://go.microsoft.com/fwlink/?linkid=2289980'
$Store = 'C:\StateStore'
$User = 'alice'
$Answers = New-Object System.Collections.ArrayList

if (-not $ThisMachineMayBeChanged) { throw 'This changes the machine. If that is meant: -ThisMachineMayBeChanged' }
if (Test-Path $Store) { throw "$Store exists: this script makes it, and deletes it" }
if (Get-LocalUser -Name $User -ErrorAction SilentlyContinue) { throw "a user $User exists" }
New-Item -ItemType Directory -Force -Path $Out | Out-Null
$Out = (Resolve-Path $Out).Path
$Lifeboat = (Resolve-Path $Lifeboat).Path

function Step([string] $Name) { Write-Host "== $Name" }

# Runs a program to its end; gives its exit code. What it prints goes to a file.
function Invoke-Program([string] $File, [string[]] $Arguments, [string] $Log) {
    Write-Host "$File $($Arguments -join ' ')"
    # A native program's stderr must not end the script: it is not an error by itself.
    $before = $ErrorActionPreference
    $script:ErrorActionPreference = 'Continue'
    try { & $File @Arguments 2>&1 | ForEach-Object { "$_" } | Out-File -Encoding utf8 -FilePath (Join-Path $Out $Log) }
    finally { $script:ErrorActionPreference = $before }
    $code = $LASTEXITCODE
    Write-Host "  ended with $code"
    return $code
}

# --- 1. USMT ----------------------------------------------------------------------
Step 'USMT of the ADK'
if ($Usmt -eq '') {
    $setup = Join-Path $env:TEMP 'adksetup.exe'
    [Net.ServicePointManager]::SecurityProtocol = [Net.SecurityProtocolType]::Tls12
    Invoke-WebRequest -UseBasicParsing -Uri $AdkSetup -OutFile $setup
    $done = Start-Process -FilePath $setup -Wait -PassThru -ArgumentList @(
        '/quiet', '/norestart', '/ceip', 'off', '/features', 'OptionId.UserStateMigrationTool',
        '/log', "`"$(Join-Path $Out 'adksetup.log')`"")
    # 3010: done, and it would like to restart.
    if ($done.ExitCode -ne 0 -and $done.ExitCode -ne 3010) { throw "adksetup ended with $($done.ExitCode)" }
    # On ARM the programs have to be those of the system: they look into the registry.
    $arch = if ($env:PROCESSOR_ARCHITECTURE -eq 'ARM64') { 'arm64' } else { 'amd64' }
    $kit = 'Windows Kits\10\Assessment and Deployment Kit\User State Migration Tool'
    $Usmt = Join-Path (Join-Path ${env:ProgramFiles(x86)} $kit) $arch
}
$ScanState = Join-Path $Usmt 'scanstate.exe'
$LoadState = Join-Path $Usmt 'loadstate.exe'
$UsmtUtils = Join-Path $Usmt 'usmtutils.exe'
foreach ($program in $ScanState, $LoadState, $UsmtUtils) {
    if (-not (Test-Path $program)) { throw "$program is not there" }
}
$Version = (Get-Item $ScanState).VersionInfo.FileVersion
$System = [Environment]::OSVersion.Version.ToString()
Write-Host "USMT $Version on Windows $System"

# --- 2. A user, a second volume, files ----------------------------------------------
Step 'a user with a profile'
$password = 'Lb-' + [Guid]::NewGuid().ToString('N').Substring(0, 11)
$secure = ConvertTo-SecureString $password -AsPlainText -Force
New-LocalUser -Name $User -Password $secure -PasswordNeverExpires | Out-Null
# By its SID: the name of the group is in the language of this Windows.
Add-LocalGroupMember -SID 'S-1-5-32-544' -Member $User
$credential = New-Object System.Management.Automation.PSCredential("$env:COMPUTERNAME\$User", $secure)

# Runs a line of cmd as that user, who gets a profile with it. From a service,
# Start-Process may be refused: then a task does it.
function Invoke-AsUser([string] $Line) {
    try {
        $done = Start-Process -FilePath "$env:SystemRoot\System32\cmd.exe" -ArgumentList "/c $Line" `
            -Credential $credential -LoadUserProfile -WorkingDirectory $env:SystemRoot -Wait -PassThru
        return $done.ExitCode
    }
    catch {
        Write-Host "  as a task: $($_.Exception.Message)"
        $action = New-ScheduledTaskAction -Execute "$env:SystemRoot\System32\cmd.exe" -Argument "/c $Line"
        Register-ScheduledTask -TaskName 'lifeboat-usmt' -Action $action -User $User -Password $password `
            -RunLevel Highest -Force | Out-Null
        Start-ScheduledTask -TaskName 'lifeboat-usmt'
        do { Start-Sleep -Milliseconds 500 } while ((Get-ScheduledTask -TaskName 'lifeboat-usmt').State -ne 'Ready')
        $code = (Get-ScheduledTaskInfo -TaskName 'lifeboat-usmt').LastTaskResult
        Unregister-ScheduledTask -TaskName 'lifeboat-usmt' -Confirm:$false
        return $code
    }
}
$made = Invoke-AsUser 'exit 0'
$userSid = (Get-LocalUser -Name $User).SID.Value
$userProfile = (Get-ItemProperty "HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList\$userSid").ProfileImagePath
Write-Host "profile: $userProfile ($made)"

Step 'a second volume'
$letter = 'R', 'Q', 'P', 'W' | Where-Object { -not (Test-Path "${_}:\") } | Select-Object -First 1
$disk = Join-Path $env:TEMP 'lifeboat-usmt.vhdx'
$diskpart = Join-Path $env:TEMP 'lifeboat-usmt.txt'
@("create vdisk file=`"$disk`" maximum=256 type=expandable", "select vdisk file=`"$disk`"", 'attach vdisk',
    'online disk noerr', 'attributes disk clear readonly noerr', 'create partition primary',
    'format fs=ntfs quick label=LBUSMT', "assign letter=$letter") | Out-File -Encoding ascii $diskpart
if ((Invoke-Program 'diskpart.exe' @('/s', $diskpart) 'diskpart.txt') -ne 0) { throw 'diskpart failed: diskpart.txt' }

Step 'files'
$documents = Join-Path $userProfile 'Documents'
New-Item -ItemType Directory -Force -Path $documents, "${letter}:\Work" | Out-Null
foreach ($number in 1..20) {
    [IO.File]::WriteAllText((Join-Path $documents "document $number.txt"), ("text $number " * 1000))
    [IO.File]::WriteAllText("${letter}:\Work\work $number.txt", ("work $number " * 1000))
}
Set-Content -Path (Join-Path $documents 'document 1.txt') -Stream 'lifeboat' -Value 'of a stream'
& icacls.exe (Join-Path $documents 'document 2.txt') /deny '*S-1-5-32-546:(R)' | Out-Null
# A long path by cmd: .NET of Windows PowerShell 5.1 may refuse \\?\ with "Illegal
# characters in path". Without one the run goes on.
$long = "\\?\$documents\" + ('d' * 100) + '\' + ('e' * 100)
& cmd.exe /c "mkdir `"$long`" && (echo a path of 300 characters)>`"$long\$('f' * 100).txt`""
Write-Host "long path: $LASTEXITCODE"
$secret = Join-Path $documents 'encrypted.txt'
$encrypted = Invoke-AsUser "(echo secret)>`"$secret`" & cipher /e /a `"$secret`""
Write-Host "encrypted: $encrypted"

# What a file is, to compare. A path that this PowerShell cannot read is a fact, too, and
# no end of the run.
function Get-Facts([string] $Root) {
    $facts = @{}
    if (-not (Test-Path -LiteralPath $Root)) { return $facts }
    # dir lists also what is deeper than 260 characters.
    $list = Join-Path $env:TEMP 'lifeboat-usmt-names.txt'
    & cmd.exe /d /u /c "dir /s /b /a:-d `"\\?\$Root`" > `"$list`" 2>nul" | Out-Null
    foreach ($path in @(Get-Content -Encoding Unicode $list -ErrorAction SilentlyContinue)) {
        $plain = $path -replace '^\\\\\?\\', ''
        $name = $plain.Substring($Root.Length)
        $facts[$name] = try {
            # EFS: this user may have no key.
            $hash = try { (Get-FileHash -LiteralPath $path).Hash } catch { 'unreadable' }
            $file = Get-Item -LiteralPath $path -Force
            $streams = try { @(Get-Item -LiteralPath $plain -Stream * | ForEach-Object { $_.Stream } | Sort-Object) -join ',' } catch { '' }
            "$hash|$($file.Attributes -band [IO.FileAttributes]::Encrypted)|$streams"
        }
        catch { 'there, and not readable by this PowerShell' }
    }
    return $facts
}
function Compare-Facts($Before, $After) {
    $missing = @($Before.Keys | Where-Object { -not $After.ContainsKey($_) })
    $changed = @($Before.Keys | Where-Object { $After.ContainsKey($_) -and $After[$_] -ne $Before[$_] })
    return @{ wanted = $Before.Count; missing = $missing; changed = $changed }
}
$before = @{ documents = Get-Facts $documents; work = Get-Facts "${letter}:\Work" }

# --- 3. Capture ----------------------------------------------------------------------
Step 'scanstate'
# The rules: this user's documents, and the folder on the second volume. migdocs.xml
# would search the whole machine.
$rules = Join-Path $Out 'rules.xml'
@"
<?xml version="1.0" encoding="UTF-8"?>
<migration urlid="http://www.microsoft.com/migration/1.0/migxmlext/lifeboat">
  <component type="Documents" context="User">
    <displayName>Documents</displayName>
    <role role="Data"><rules><include><objectSet>
      <pattern type="File">%CSIDL_PERSONAL%\* [*]</pattern>
    </objectSet></include></rules></role>
  </component>
  <component type="Documents" context="System">
    <displayName>Work</displayName>
    <role role="Data"><rules><include><objectSet>
      <pattern type="File">${letter}:\Work\* [*]</pattern>
    </objectSet></include></rules></role>
  </component>
</migration>
"@ | Out-File -Encoding utf8 $rules
$captured = Invoke-Program $ScanState @($Store, '/hardlink', '/nocompress', '/efs:hardlink', '/o', '/c', '/v:13',
    "/i:$rules", '/ue:*\*', "/ui:$env:COMPUTERNAME\$User", "/l:$(Join-Path $Out 'scan.log')",
    "/progress:$(Join-Path $Out 'scan-progress.log')") 'scanstate.txt'
if (-not (Test-Path "$Store\USMT")) { throw "scanstate ended with $captured and made no store: scan.log" }
Get-ChildItem -Recurse -Force $Store, "${letter}:\StateStore" -ErrorAction SilentlyContinue |
    ForEach-Object { "$($_.Length)`t$($_.Attributes)`t$($_.FullName)" } | Out-File -Encoding utf8 (Join-Path $Out 'store.txt')

# --- 4. Save and restore -----------------------------------------------------------
Step 'offload'
$sets = Join-Path $env:TEMP 'lifeboat-usmt-sets'
New-Item -ItemType Directory -Force -Path $sets | Out-Null
$code = Invoke-Program $Lifeboat @('offload', 'C:', "${letter}:", '--to', $sets, '--name', 'USMT', '--json') 'offload.jsonl'
if ($code -ne 0 -and $code -ne 3) { throw "offload ended with $code" }
$set = (Get-ChildItem -Directory $sets | Select-Object -First 1).FullName
Invoke-Program $Lifeboat @('verify', $set, '--level', 'full', '--json') 'verify.jsonl' | Out-Null
Invoke-Program $Lifeboat @('loadstate', $set) 'loadstate-command.txt' | Out-Null

# A hard-link store is deleted by USMT's own tool, which knows about locked files.
function Remove-Store {
    foreach ($root in $Store, "${letter}:\StateStore", "$Store.lifeboat-partial", "${letter}:\StateStore.lifeboat-partial") {
        if (Test-Path $root) {
            Invoke-Program $UsmtUtils @('/rd', $root, '/y') 'usmtutils.txt' | Out-Null
            if (Test-Path $root) { & cmd.exe /c "rd /s /q $root" }
        }
    }
}

# The store as it was captured, and the files gone, as after a wipe.
function Restore-Store([string] $Log) {
    Remove-Store
    Remove-Files
    $code = Invoke-Program $Lifeboat @('restore', $set, '--in-place', '--json') $Log
    if ($code -ne 0 -and $code -ne 3) { throw "restore --in-place ended with $code" }
    return $code
}

# The files are gone, as after a wipe: what an earlier run brought back would count as
# this one's.
function Remove-Files {
    foreach ($root in $documents, "${letter}:\Work") {
        if (Test-Path -LiteralPath $root) {
            # cmd, because Windows PowerShell 5.1 refuses paths beyond 260 characters.
            & cmd.exe /c "rd /s /q `"\\?\$root`""
            if (Test-Path -LiteralPath $root) { throw "$root could not be emptied" }
        }
        New-Item -ItemType Directory -Force -Path $root | Out-Null
    }
}

# Runs loadstate and notes the answer.
function Ask([string] $Id, [string] $What, [string[]] $Arguments) {
    Remove-Files
    $log = Join-Path $Out "$Id.log"
    $all = $Arguments + @("/i:$rules", '/c', '/lac', '/v:13', "/l:$log", "/progress:$(Join-Path $Out "$Id-progress.log")")
    $code = Invoke-Program $LoadState $all "$Id.txt"
    $answer = [ordered]@{
        question = $Id; what = $What; code = $code
        documents = Compare-Facts $before.documents (Get-Facts $documents)
        work = Compare-Facts $before.work (Get-Facts "${letter}:\Work")
    }
    $Answers.Add($answer) | Out-Null
    Write-Host "  $Id $What`: $code, $($answer.documents.missing.Count) of $($answer.documents.wanted) documents missing"
}
$hardLink = @('/hardlink', '/nocompress')

Step 'G: hardlink.main'
Copy-Item "$Store\USMT\hardlink.main" (Join-Path $Out 'hardlink.main') -ErrorAction SilentlyContinue
Get-ChildItem -Force "${letter}:\StateStore\USMT" -ErrorAction SilentlyContinue | Select-Object -ExpandProperty Name |
    Out-File -Encoding utf8 (Join-Path $Out 'second-part.txt')

Step 'D and A: restored to its original path'
Restore-Store 'restore-a.jsonl' | Out-Null
Get-ChildItem -Recurse -File -Force "$Store\USMT\File" -ErrorAction SilentlyContinue | Select-Object -First 3 |
    ForEach-Object { & fsutil.exe hardlink list $_.FullName } | Out-File -Encoding utf8 (Join-Path $Out 'D-links.txt')
Ask 'A' 'restored in place' (@($Store) + $hardLink)
# J: the file is encrypted still, and the user who has the key reads it.
$read = Invoke-AsUser "findstr secret `"$secret`" >nul"
$Answers.Add([ordered]@{ question = 'J'; what = 'the user reads the encrypted file'; code = $read; encrypted = $encrypted }) | Out-Null

Step 'A again: lifeboat loadstate --run'
Restore-Store 'restore-run.jsonl' | Out-Null
Remove-Files
$code = Invoke-Program $Lifeboat @('loadstate', $Store, "${letter}:\StateStore", '--run', '--usmt', $Usmt, '--i', $rules, '--json') 'loadstate-run.jsonl'
$Answers.Add([ordered]@{ question = 'A'; what = 'lifeboat loadstate --run'; code = $code
        documents = Compare-Facts $before.documents (Get-Facts $documents) }) | Out-Null

Step 'B: without hardlink.main'
Restore-Store 'restore-b.jsonl' | Out-Null
Invoke-Program 'robocopy.exe' @($Store, 'C:\lifeboat-usmt-copy', '/e', '/copyall', '/sl', '/r:1', '/w:1') 'robocopy.txt' | Out-Null
Ask 'B' 'with hardlink.main, as a regular store' @('C:\lifeboat-usmt-copy', '/nocompress')
Remove-Item -Force 'C:\lifeboat-usmt-copy\USMT\hardlink.main' -ErrorAction SilentlyContinue
Ask 'B' 'without hardlink.main, as a regular store' @('C:\lifeboat-usmt-copy', '/nocompress')

Step 'C: on a share'
& net.exe share "lbst-usmt=C:\lifeboat-usmt-copy" | Out-Null
Copy-Item "$Store\USMT\hardlink.main" 'C:\lifeboat-usmt-copy\USMT\hardlink.main' -ErrorAction SilentlyContinue
Ask 'C' 'on a share' (@('\\localhost\lbst-usmt') + $hardLink)
& net.exe share lbst-usmt /delete /y | Out-Null

Step 'E: without status.~lg'
Restore-Store 'restore-e.jsonl' | Out-Null
Remove-Item -Force "$Store\USMT\status.~lg" -ErrorAction SilentlyContinue
Ask 'E' 'without status.~lg' (@($Store) + $hardLink)

Step 'F: with a part missing'
Restore-Store 'restore-f.jsonl' | Out-Null
if (Test-Path "${letter}:\StateStore") {
    Rename-Item "${letter}:\StateStore" 'StateStore.gone'
    Ask 'F' 'the second part has another name' (@($Store) + $hardLink)
    Rename-Item "${letter}:\StateStore.gone" 'StateStore'
}

Step 'H: under another name'
Restore-Store 'restore-h.jsonl' | Out-Null
Rename-Item $Store 'StateStore.lifeboat-partial'
Ask 'H' 'by its own path, where nothing is' (@($Store) + $hardLink)
Ask 'H' 'by the name of a partial restore' (@("$Store.lifeboat-partial") + $hardLink)

Step 'I: the progress log'
$progress = Join-Path $Out 'A-progress.log'
if (Test-Path $progress) {
    $bytes = [IO.File]::ReadAllBytes($progress)
    $first = ($bytes[0..([Math]::Min(63, $bytes.Length - 1))] | ForEach-Object { $_.ToString('x2') }) -join ' '
    $Answers.Add([ordered]@{ question = 'I'; what = 'first bytes of the progress log'; bytes = $first }) | Out-Null
}

# --- 5. What to keep -----------------------------------------------------------------
Step 'clean-up'
Remove-Store
Remove-Item -Recurse -Force 'C:\lifeboat-usmt-copy' -ErrorAction SilentlyContinue
@("select vdisk file=`"$disk`"", 'detach vdisk') | Out-File -Encoding ascii $diskpart
Invoke-Program 'diskpart.exe' @('/s', $diskpart) 'diskpart-end.txt' | Out-Null
Remove-Item -Force $disk, $diskpart -ErrorAction SilentlyContinue

[ordered]@{ windows = $System; usmt = $Version; scanstate = $captured; answers = $Answers } |
    ConvertTo-Json -Depth 8 | Out-File -Encoding utf8 (Join-Path $Out 'answers.json')
Get-Content (Join-Path $Out 'answers.json')
exit 0

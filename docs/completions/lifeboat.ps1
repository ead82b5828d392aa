
using namespace System.Management.Automation
using namespace System.Management.Automation.Language

Register-ArgumentCompleter -Native -CommandName 'lifeboat' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commandElements = $commandAst.CommandElements
    $command = @(
        'lifeboat'
        for ($i = 1; $i -lt $commandElements.Count; $i++) {
            $element = $commandElements[$i]
            if ($element -isnot [StringConstantExpressionAst] -or
                $element.StringConstantType -ne [StringConstantType]::BareWord -or
                $element.Value.StartsWith('-') -or
                $element.Value -eq $wordToComplete) {
                break
        }
        $element.Value
    }) -join ';'

    $completions = @(switch ($command) {
        'lifeboat' {
            [CompletionResult]::new('--log', '--log', [CompletionResultType]::ParameterName, 'Also write a log to FILE, in the format of CMTrace')
            [CompletionResult]::new('--via', '--via', [CompletionResultType]::ParameterName, 'Read volumes from the raw device or through the system''s file API [default: raw where possible; the output says which and why]')
            [CompletionResult]::new('--recovery-key-file', '--recovery-key-file', [CompletionResultType]::ParameterName, 'Text file with recovery keys of BitLocker volumes, such as an export from Active Directory or Entra ID (may be repeated)')
            [CompletionResult]::new('--bitlocker-password-file', '--bitlocker-password-file', [CompletionResultType]::ParameterName, 'File whose first line is the password of a BitLocker volume')
            [CompletionResult]::new('--bitlocker-keys', '--bitlocker-keys', [CompletionResultType]::ParameterName, 'Folder with startup keys (.BEK) of BitLocker volumes')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print one JSON event per line on standard output, a summary last')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print only results and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print only results and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Print more about each step')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Print more about each step')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('detect', 'detect', [CompletionResultType]::ParameterValue, 'Find the stores on all attached volumes, or in the sources given')
            [CompletionResult]::new('verify', 'verify', [CompletionResultType]::ParameterValue, 'Check the stores in a source or a copy, or a rescue set')
            [CompletionResult]::new('seal', 'seal', [CompletionResultType]::ParameterValue, 'Before the wipe: record what a store has, in one file beside it')
            [CompletionResult]::new('offload', 'offload', [CompletionResultType]::ParameterValue, 'Save stores as rescue sets on a share or a disk')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the files of a rescue set')
            [CompletionResult]::new('report', 'report', [CompletionResultType]::ParameterValue, 'Make a set''s report again: one HTML page')
            [CompletionResult]::new('extract', 'extract', [CompletionResultType]::ParameterValue, 'Extract single files or folders from a rescue set')
            [CompletionResult]::new('restore', 'restore', [CompletionResultType]::ParameterValue, 'Restore a rescue set, so that loadstate can use the store')
            [CompletionResult]::new('loadstate', 'loadstate', [CompletionResultType]::ParameterValue, 'Show, write or run the loadstate command for a set or a store')
            [CompletionResult]::new('guide', 'guide', [CompletionResultType]::ParameterValue, 'Guide you through a rescue; lifeboat alone on a terminal does the same')
            break
        }
        'lifeboat;detect' {
            [CompletionResult]::new('--mapfile', '--mapfile', [CompletionResultType]::ParameterName, 'The mapfile that ddrescue wrote with the image: parts that it did not read are losses, not zeros [default: the one beside the image]')
            [CompletionResult]::new('--log', '--log', [CompletionResultType]::ParameterName, 'Also write a log to FILE, in the format of CMTrace')
            [CompletionResult]::new('--via', '--via', [CompletionResultType]::ParameterName, 'Read volumes from the raw device or through the system''s file API [default: raw where possible; the output says which and why]')
            [CompletionResult]::new('--recovery-key-file', '--recovery-key-file', [CompletionResultType]::ParameterName, 'Text file with recovery keys of BitLocker volumes, such as an export from Active Directory or Entra ID (may be repeated)')
            [CompletionResult]::new('--bitlocker-password-file', '--bitlocker-password-file', [CompletionResultType]::ParameterName, 'File whose first line is the password of a BitLocker volume')
            [CompletionResult]::new('--bitlocker-keys', '--bitlocker-keys', [CompletionResultType]::ParameterName, 'Folder with startup keys (.BEK) of BitLocker volumes')
            [CompletionResult]::new('--deep', '--deep', [CompletionResultType]::ParameterName, 'Search each disk completely for volumes from before it was repartitioned (slow: every sector outside partitions is read)')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print one JSON event per line on standard output, a summary last')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print only results and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print only results and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Print more about each step')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Print more about each step')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'lifeboat;verify' {
            [CompletionResult]::new('--level', '--level', [CompletionResultType]::ParameterName, 'How thorough to check')
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Only this store: its id or its path, as detect shows them')
            [CompletionResult]::new('--usmt', '--usmt', [CompletionResultType]::ParameterName, 'Folder with usmtutils, to check compressed stores with it too (Windows) [default: the folder of lifeboat.exe, then PATH]')
            [CompletionResult]::new('--mapfile', '--mapfile', [CompletionResultType]::ParameterName, 'The mapfile that ddrescue wrote with the image: parts that it did not read are losses, not zeros [default: the one beside the image]')
            [CompletionResult]::new('--user', '--user', [CompletionResultType]::ParameterName, 'User for a \\server\share destination: NAME or DOMAIN\NAME')
            [CompletionResult]::new('--password-file', '--password-file', [CompletionResultType]::ParameterName, 'File whose first line is the password')
            [CompletionResult]::new('--passphrase-file', '--passphrase-file', [CompletionResultType]::ParameterName, 'File whose first line is the passphrase of an encrypted set')
            [CompletionResult]::new('--identity', '--identity', [CompletionResultType]::ParameterName, 'File with the secret key of a recipient of an encrypted set')
            [CompletionResult]::new('--log', '--log', [CompletionResultType]::ParameterName, 'Also write a log to FILE, in the format of CMTrace')
            [CompletionResult]::new('--via', '--via', [CompletionResultType]::ParameterName, 'Read volumes from the raw device or through the system''s file API [default: raw where possible; the output says which and why]')
            [CompletionResult]::new('--recovery-key-file', '--recovery-key-file', [CompletionResultType]::ParameterName, 'Text file with recovery keys of BitLocker volumes, such as an export from Active Directory or Entra ID (may be repeated)')
            [CompletionResult]::new('--bitlocker-password-file', '--bitlocker-password-file', [CompletionResultType]::ParameterName, 'File whose first line is the password of a BitLocker volume')
            [CompletionResult]::new('--bitlocker-keys', '--bitlocker-keys', [CompletionResultType]::ParameterName, 'Folder with startup keys (.BEK) of BitLocker volumes')
            [CompletionResult]::new('--deep', '--deep', [CompletionResultType]::ParameterName, 'Search each disk completely for volumes from before it was repartitioned (slow: every sector outside partitions is read)')
            [CompletionResult]::new('--anonymous', '--anonymous', [CompletionResultType]::ParameterName, 'Log on without an account, to a share where everyone may write')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print one JSON event per line on standard output, a summary last')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print only results and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print only results and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Print more about each step')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Print more about each step')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'lifeboat;seal' {
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Only this store: its id or its path, as detect shows them')
            [CompletionResult]::new('--log', '--log', [CompletionResultType]::ParameterName, 'Also write a log to FILE, in the format of CMTrace')
            [CompletionResult]::new('--via', '--via', [CompletionResultType]::ParameterName, 'Read volumes from the raw device or through the system''s file API [default: raw where possible; the output says which and why]')
            [CompletionResult]::new('--recovery-key-file', '--recovery-key-file', [CompletionResultType]::ParameterName, 'Text file with recovery keys of BitLocker volumes, such as an export from Active Directory or Entra ID (may be repeated)')
            [CompletionResult]::new('--bitlocker-password-file', '--bitlocker-password-file', [CompletionResultType]::ParameterName, 'File whose first line is the password of a BitLocker volume')
            [CompletionResult]::new('--bitlocker-keys', '--bitlocker-keys', [CompletionResultType]::ParameterName, 'Folder with startup keys (.BEK) of BitLocker volumes')
            [CompletionResult]::new('--quick', '--quick', [CompletionResultType]::ParameterName, 'No hashes: only names, sizes and times')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print one JSON event per line on standard output, a summary last')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print only results and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print only results and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Print more about each step')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Print more about each step')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'lifeboat;offload' {
            [CompletionResult]::new('--to', '--to', [CompletionResultType]::ParameterName, 'Folder, \\server\share\folder or smb://user@server/share/folder [default: from lifeboat.toml beside the program]')
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Only this store: its id or its path, as detect shows them')
            [CompletionResult]::new('--path', '--path', [CompletionResultType]::ParameterName, 'Save this folder instead of a store (may be repeated): \Users\alice; \ is the whole volume')
            [CompletionResult]::new('--mapfile', '--mapfile', [CompletionResultType]::ParameterName, 'The mapfile that ddrescue wrote with the image: parts that it did not read are losses, not zeros [default: the one beside the image]')
            [CompletionResult]::new('--level', '--level', [CompletionResultType]::ParameterName, 'zstd level, 1 (fast) to 19 (small); auto: by the speed of DEST')
            [CompletionResult]::new('--split', '--split', [CompletionResultType]::ParameterName, 'Split the store into files of at most SIZE: 2G, 700M (of 1024), 700MB (of 1000)')
            [CompletionResult]::new('--name', '--name', [CompletionResultType]::ParameterName, 'First part of the set''s name [default: the computer''s name]')
            [CompletionResult]::new('--recipient', '--recipient', [CompletionResultType]::ParameterName, 'Encrypt the set to this age recipient (may be repeated): age1...')
            [CompletionResult]::new('--recipients-file', '--recipients-file', [CompletionResultType]::ParameterName, 'File with recipients, one per line')
            [CompletionResult]::new('--retry-for', '--retry-for', [CompletionResultType]::ParameterName, 'How long to retry while DEST is away: 30s, 10m, 2h')
            [CompletionResult]::new('--frame-bytes', '--frame-bytes', [CompletionResultType]::ParameterName, 'Uncompressed size of a frame, in bytes; small ones are for tests')
            [CompletionResult]::new('--user', '--user', [CompletionResultType]::ParameterName, 'User for a \\server\share destination: NAME or DOMAIN\NAME')
            [CompletionResult]::new('--password-file', '--password-file', [CompletionResultType]::ParameterName, 'File whose first line is the password')
            [CompletionResult]::new('--passphrase-file', '--passphrase-file', [CompletionResultType]::ParameterName, 'File whose first line is the passphrase of an encrypted set')
            [CompletionResult]::new('--identity', '--identity', [CompletionResultType]::ParameterName, 'File with the secret key of a recipient of an encrypted set')
            [CompletionResult]::new('--log', '--log', [CompletionResultType]::ParameterName, 'Also write a log to FILE, in the format of CMTrace')
            [CompletionResult]::new('--via', '--via', [CompletionResultType]::ParameterName, 'Read volumes from the raw device or through the system''s file API [default: raw where possible; the output says which and why]')
            [CompletionResult]::new('--recovery-key-file', '--recovery-key-file', [CompletionResultType]::ParameterName, 'Text file with recovery keys of BitLocker volumes, such as an export from Active Directory or Entra ID (may be repeated)')
            [CompletionResult]::new('--bitlocker-password-file', '--bitlocker-password-file', [CompletionResultType]::ParameterName, 'File whose first line is the password of a BitLocker volume')
            [CompletionResult]::new('--bitlocker-keys', '--bitlocker-keys', [CompletionResultType]::ParameterName, 'Folder with startup keys (.BEK) of BitLocker volumes')
            [CompletionResult]::new('--deleted', '--deleted', [CompletionResultType]::ParameterName, 'Recover deleted files too: below deleted in the set, each with how sure it is. Without a store: the files of deleted stores')
            [CompletionResult]::new('--deep', '--deep', [CompletionResultType]::ParameterName, 'Search each disk completely for volumes from before it was repartitioned (slow: every sector outside partitions is read)')
            [CompletionResult]::new('--fresh', '--fresh', [CompletionResultType]::ParameterName, 'Start over instead of resuming an interrupted set')
            [CompletionResult]::new('--no-read-back', '--no-read-back', [CompletionResultType]::ParameterName, 'Do not read the written set back (the set records this)')
            [CompletionResult]::new('--encrypt', '--encrypt', [CompletionResultType]::ParameterName, 'Encrypt the set with a passphrase (from a prompt)')
            [CompletionResult]::new('--despite-space', '--despite-space', [CompletionResultType]::ParameterName, 'Begin although DEST seems too small')
            [CompletionResult]::new('--anonymous', '--anonymous', [CompletionResultType]::ParameterName, 'Log on without an account, to a share where everyone may write')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print one JSON event per line on standard output, a summary last')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print only results and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print only results and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Print more about each step')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Print more about each step')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'lifeboat;list' {
            [CompletionResult]::new('--user', '--user', [CompletionResultType]::ParameterName, 'User for a \\server\share destination: NAME or DOMAIN\NAME')
            [CompletionResult]::new('--password-file', '--password-file', [CompletionResultType]::ParameterName, 'File whose first line is the password')
            [CompletionResult]::new('--passphrase-file', '--passphrase-file', [CompletionResultType]::ParameterName, 'File whose first line is the passphrase of an encrypted set')
            [CompletionResult]::new('--identity', '--identity', [CompletionResultType]::ParameterName, 'File with the secret key of a recipient of an encrypted set')
            [CompletionResult]::new('--log', '--log', [CompletionResultType]::ParameterName, 'Also write a log to FILE, in the format of CMTrace')
            [CompletionResult]::new('--via', '--via', [CompletionResultType]::ParameterName, 'Read volumes from the raw device or through the system''s file API [default: raw where possible; the output says which and why]')
            [CompletionResult]::new('--recovery-key-file', '--recovery-key-file', [CompletionResultType]::ParameterName, 'Text file with recovery keys of BitLocker volumes, such as an export from Active Directory or Entra ID (may be repeated)')
            [CompletionResult]::new('--bitlocker-password-file', '--bitlocker-password-file', [CompletionResultType]::ParameterName, 'File whose first line is the password of a BitLocker volume')
            [CompletionResult]::new('--bitlocker-keys', '--bitlocker-keys', [CompletionResultType]::ParameterName, 'Folder with startup keys (.BEK) of BitLocker volumes')
            [CompletionResult]::new('--anonymous', '--anonymous', [CompletionResultType]::ParameterName, 'Log on without an account, to a share where everyone may write')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print one JSON event per line on standard output, a summary last')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print only results and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print only results and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Print more about each step')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Print more about each step')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'lifeboat;report' {
            [CompletionResult]::new('--to', '--to', [CompletionResultType]::ParameterName, 'Page to write; must not exist [default: NAME-OF-SET.html here]')
            [CompletionResult]::new('--user', '--user', [CompletionResultType]::ParameterName, 'User for a \\server\share destination: NAME or DOMAIN\NAME')
            [CompletionResult]::new('--password-file', '--password-file', [CompletionResultType]::ParameterName, 'File whose first line is the password')
            [CompletionResult]::new('--passphrase-file', '--passphrase-file', [CompletionResultType]::ParameterName, 'File whose first line is the passphrase of an encrypted set')
            [CompletionResult]::new('--identity', '--identity', [CompletionResultType]::ParameterName, 'File with the secret key of a recipient of an encrypted set')
            [CompletionResult]::new('--log', '--log', [CompletionResultType]::ParameterName, 'Also write a log to FILE, in the format of CMTrace')
            [CompletionResult]::new('--via', '--via', [CompletionResultType]::ParameterName, 'Read volumes from the raw device or through the system''s file API [default: raw where possible; the output says which and why]')
            [CompletionResult]::new('--recovery-key-file', '--recovery-key-file', [CompletionResultType]::ParameterName, 'Text file with recovery keys of BitLocker volumes, such as an export from Active Directory or Entra ID (may be repeated)')
            [CompletionResult]::new('--bitlocker-password-file', '--bitlocker-password-file', [CompletionResultType]::ParameterName, 'File whose first line is the password of a BitLocker volume')
            [CompletionResult]::new('--bitlocker-keys', '--bitlocker-keys', [CompletionResultType]::ParameterName, 'Folder with startup keys (.BEK) of BitLocker volumes')
            [CompletionResult]::new('--anonymous', '--anonymous', [CompletionResultType]::ParameterName, 'Log on without an account, to a share where everyone may write')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print one JSON event per line on standard output, a summary last')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print only results and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print only results and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Print more about each step')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Print more about each step')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'lifeboat;extract' {
            [CompletionResult]::new('--of-user', '--of-user', [CompletionResultType]::ParameterName, 'Only this user''s files, at their own paths: DIR/C/Users/NAME')
            [CompletionResult]::new('--to', '--to', [CompletionResultType]::ParameterName, 'Folder to extract to')
            [CompletionResult]::new('--user', '--user', [CompletionResultType]::ParameterName, 'User for a \\server\share destination: NAME or DOMAIN\NAME')
            [CompletionResult]::new('--password-file', '--password-file', [CompletionResultType]::ParameterName, 'File whose first line is the password')
            [CompletionResult]::new('--passphrase-file', '--passphrase-file', [CompletionResultType]::ParameterName, 'File whose first line is the passphrase of an encrypted set')
            [CompletionResult]::new('--identity', '--identity', [CompletionResultType]::ParameterName, 'File with the secret key of a recipient of an encrypted set')
            [CompletionResult]::new('--log', '--log', [CompletionResultType]::ParameterName, 'Also write a log to FILE, in the format of CMTrace')
            [CompletionResult]::new('--via', '--via', [CompletionResultType]::ParameterName, 'Read volumes from the raw device or through the system''s file API [default: raw where possible; the output says which and why]')
            [CompletionResult]::new('--recovery-key-file', '--recovery-key-file', [CompletionResultType]::ParameterName, 'Text file with recovery keys of BitLocker volumes, such as an export from Active Directory or Entra ID (may be repeated)')
            [CompletionResult]::new('--bitlocker-password-file', '--bitlocker-password-file', [CompletionResultType]::ParameterName, 'File whose first line is the password of a BitLocker volume')
            [CompletionResult]::new('--bitlocker-keys', '--bitlocker-keys', [CompletionResultType]::ParameterName, 'Folder with startup keys (.BEK) of BitLocker volumes')
            [CompletionResult]::new('--replace', '--replace', [CompletionResultType]::ParameterName, 'Overwrite existing files')
            [CompletionResult]::new('--anonymous', '--anonymous', [CompletionResultType]::ParameterName, 'Log on without an account, to a share where everyone may write')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print one JSON event per line on standard output, a summary last')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print only results and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print only results and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Print more about each step')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Print more about each step')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'lifeboat;restore' {
            [CompletionResult]::new('--to', '--to', [CompletionResultType]::ParameterName, 'DIR: parts to DIR/C, DIR/D ...; C=ROOT: the C: part below ROOT')
            [CompletionResult]::new('--part', '--part', [CompletionResultType]::ParameterName, 'Only the part of this drive, such as C')
            [CompletionResult]::new('--user', '--user', [CompletionResultType]::ParameterName, 'User for a \\server\share destination: NAME or DOMAIN\NAME')
            [CompletionResult]::new('--password-file', '--password-file', [CompletionResultType]::ParameterName, 'File whose first line is the password')
            [CompletionResult]::new('--passphrase-file', '--passphrase-file', [CompletionResultType]::ParameterName, 'File whose first line is the passphrase of an encrypted set')
            [CompletionResult]::new('--identity', '--identity', [CompletionResultType]::ParameterName, 'File with the secret key of a recipient of an encrypted set')
            [CompletionResult]::new('--log', '--log', [CompletionResultType]::ParameterName, 'Also write a log to FILE, in the format of CMTrace')
            [CompletionResult]::new('--via', '--via', [CompletionResultType]::ParameterName, 'Read volumes from the raw device or through the system''s file API [default: raw where possible; the output says which and why]')
            [CompletionResult]::new('--recovery-key-file', '--recovery-key-file', [CompletionResultType]::ParameterName, 'Text file with recovery keys of BitLocker volumes, such as an export from Active Directory or Entra ID (may be repeated)')
            [CompletionResult]::new('--bitlocker-password-file', '--bitlocker-password-file', [CompletionResultType]::ParameterName, 'File whose first line is the password of a BitLocker volume')
            [CompletionResult]::new('--bitlocker-keys', '--bitlocker-keys', [CompletionResultType]::ParameterName, 'Folder with startup keys (.BEK) of BitLocker volumes')
            [CompletionResult]::new('--in-place', '--in-place', [CompletionResultType]::ParameterName, 'Find each part''s volume, and restore the part to its original path')
            [CompletionResult]::new('--replace', '--replace', [CompletionResultType]::ParameterName, 'Replace an existing store, and keep it under another name')
            [CompletionResult]::new('--deleted', '--deleted', [CompletionResultType]::ParameterName, 'Restore the recovered deleted files too: to their old paths, or beside what is there. If the store is there already, only they are restored')
            [CompletionResult]::new('--anonymous', '--anonymous', [CompletionResultType]::ParameterName, 'Log on without an account, to a share where everyone may write')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print one JSON event per line on standard output, a summary last')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print only results and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print only results and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Print more about each step')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Print more about each step')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'lifeboat;loadstate' {
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Only this store: its id or its path, as detect shows them')
            [CompletionResult]::new('--way', '--way', [CompletionResultType]::ParameterName, 'a: as Microsoft documents it; b: what may help if a fails')
            [CompletionResult]::new('--i', '--i', [CompletionResultType]::ParameterName, 'Migration file of the capture [default: migdocs.xml migapp.xml]')
            [CompletionResult]::new('--keyfile', '--keyfile', [CompletionResultType]::ParameterName, 'File with the key of an encrypted store')
            [CompletionResult]::new('--decrypt', '--decrypt', [CompletionResultType]::ParameterName, 'Its algorithm, such as AES_256 [default: loadstate''s own]')
            [CompletionResult]::new('--usmt', '--usmt', [CompletionResultType]::ParameterName, 'Folder with loadstate.exe')
            [CompletionResult]::new('--write', '--write', [CompletionResultType]::ParameterName, 'Also write the command as a script to FILE, which must not exist')
            [CompletionResult]::new('--user', '--user', [CompletionResultType]::ParameterName, 'User for a \\server\share destination: NAME or DOMAIN\NAME')
            [CompletionResult]::new('--password-file', '--password-file', [CompletionResultType]::ParameterName, 'File whose first line is the password')
            [CompletionResult]::new('--passphrase-file', '--passphrase-file', [CompletionResultType]::ParameterName, 'File whose first line is the passphrase of an encrypted set')
            [CompletionResult]::new('--identity', '--identity', [CompletionResultType]::ParameterName, 'File with the secret key of a recipient of an encrypted set')
            [CompletionResult]::new('--log', '--log', [CompletionResultType]::ParameterName, 'Also write a log to FILE, in the format of CMTrace')
            [CompletionResult]::new('--via', '--via', [CompletionResultType]::ParameterName, 'Read volumes from the raw device or through the system''s file API [default: raw where possible; the output says which and why]')
            [CompletionResult]::new('--recovery-key-file', '--recovery-key-file', [CompletionResultType]::ParameterName, 'Text file with recovery keys of BitLocker volumes, such as an export from Active Directory or Entra ID (may be repeated)')
            [CompletionResult]::new('--bitlocker-password-file', '--bitlocker-password-file', [CompletionResultType]::ParameterName, 'File whose first line is the password of a BitLocker volume')
            [CompletionResult]::new('--bitlocker-keys', '--bitlocker-keys', [CompletionResultType]::ParameterName, 'Folder with startup keys (.BEK) of BitLocker volumes')
            [CompletionResult]::new('--run', '--run', [CompletionResultType]::ParameterName, 'Run it and follow its progress')
            [CompletionResult]::new('--anonymous', '--anonymous', [CompletionResultType]::ParameterName, 'Log on without an account, to a share where everyone may write')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print one JSON event per line on standard output, a summary last')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print only results and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print only results and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Print more about each step')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Print more about each step')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'lifeboat;guide' {
            [CompletionResult]::new('--to', '--to', [CompletionResultType]::ParameterName, 'Destination to fill in; you can change it on the screen')
            [CompletionResult]::new('--name', '--name', [CompletionResultType]::ParameterName, 'First part of the names of the sets [default: the computer''s name]')
            [CompletionResult]::new('--level', '--level', [CompletionResultType]::ParameterName, 'zstd level, 1 (fast) to 19 (small); auto: by the destination''s speed')
            [CompletionResult]::new('--user', '--user', [CompletionResultType]::ParameterName, 'User for a \\server\share destination: NAME or DOMAIN\NAME')
            [CompletionResult]::new('--password-file', '--password-file', [CompletionResultType]::ParameterName, 'File whose first line is the password')
            [CompletionResult]::new('--passphrase-file', '--passphrase-file', [CompletionResultType]::ParameterName, 'File whose first line is the passphrase of an encrypted set')
            [CompletionResult]::new('--identity', '--identity', [CompletionResultType]::ParameterName, 'File with the secret key of a recipient of an encrypted set')
            [CompletionResult]::new('--log', '--log', [CompletionResultType]::ParameterName, 'Also write a log to FILE, in the format of CMTrace')
            [CompletionResult]::new('--via', '--via', [CompletionResultType]::ParameterName, 'Read volumes from the raw device or through the system''s file API [default: raw where possible; the output says which and why]')
            [CompletionResult]::new('--recovery-key-file', '--recovery-key-file', [CompletionResultType]::ParameterName, 'Text file with recovery keys of BitLocker volumes, such as an export from Active Directory or Entra ID (may be repeated)')
            [CompletionResult]::new('--bitlocker-password-file', '--bitlocker-password-file', [CompletionResultType]::ParameterName, 'File whose first line is the password of a BitLocker volume')
            [CompletionResult]::new('--bitlocker-keys', '--bitlocker-keys', [CompletionResultType]::ParameterName, 'Folder with startup keys (.BEK) of BitLocker volumes')
            [CompletionResult]::new('--anonymous', '--anonymous', [CompletionResultType]::ParameterName, 'Log on without an account, to a share where everyone may write')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print one JSON event per line on standard output, a summary last')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print only results and errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print only results and errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Print more about each step')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Print more about each step')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}

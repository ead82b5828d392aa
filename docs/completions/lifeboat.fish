# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_lifeboat_global_optspecs
    string join \n json log= q/quiet v/verbose via= recovery-key-file= bitlocker-password-file= bitlocker-keys= h/help V/version
end

function __fish_lifeboat_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_lifeboat_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_lifeboat_using_subcommand
    set -l cmd (__fish_lifeboat_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c lifeboat -n "__fish_lifeboat_needs_command" -l log -d 'Also write a log to FILE (CMTrace format)' -r -F
complete -c lifeboat -n "__fish_lifeboat_needs_command" -l via -d 'Read volumes from the raw device or through the system\'s file API [default: raw where possible; the output says which and why]' -r -f -a "raw\t'The volume\'s own structures'
host\t'The file API'"
complete -c lifeboat -n "__fish_lifeboat_needs_command" -l recovery-key-file -d 'Text file with recovery keys of BitLocker volumes, such as an export from Active Directory or Entra ID (may be repeated)' -r -F
complete -c lifeboat -n "__fish_lifeboat_needs_command" -l bitlocker-password-file -d 'File whose first line is the password of a BitLocker volume' -r -F
complete -c lifeboat -n "__fish_lifeboat_needs_command" -l bitlocker-keys -d 'Folder with startup keys (.BEK) of BitLocker volumes' -r -F
complete -c lifeboat -n "__fish_lifeboat_needs_command" -l json -d 'One JSON event a line, for scripts'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -s q -l quiet -d 'Print only results and errors'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -s v -l verbose -d 'Print more about each step'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -s V -l version -d 'Print version'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "detect" -d 'Find the stores on all attached volumes, or in the sources given'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "verify" -d 'Check the stores in a source or a copy, or a rescue set'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "sets" -d 'List the rescue sets of a share or a folder'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "prune" -d 'Delete rescue sets that were restored; without --yes, list them'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "gate" -d 'Before the wipe: check that no store would be lost'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "check" -d 'Try settings, destination and account, without a store'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "seal" -d 'Before the wipe: record what a store has, in one file beside it'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "offload" -d 'Save stores as rescue sets on a share or a disk'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "list" -d 'List the files of a rescue set or a store'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "report" -d 'Make a set\'s report again: one HTML page'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "extract" -d 'Extract single files or folders from a rescue set or a store'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "restore" -d 'Restore a rescue set, so that loadstate can use the store'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "loadstate" -d 'Show, write or run the loadstate command for a set or a store'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "guide" -d 'Guide you through a rescue; lifeboat alone on a terminal does the same'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "completions" -d 'Print the completions for a shell'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand detect" -l mapfile -d 'The mapfile that ddrescue wrote with the image: parts that it did not read are losses, not zeros [default: the one beside the image]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand detect" -l log -d 'Also write a log to FILE (CMTrace format)' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand detect" -l via -d 'Read volumes from the raw device or through the system\'s file API [default: raw where possible; the output says which and why]' -r -f -a "raw\t'The volume\'s own structures'
host\t'The file API'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand detect" -l recovery-key-file -d 'Text file with recovery keys of BitLocker volumes, such as an export from Active Directory or Entra ID (may be repeated)' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand detect" -l bitlocker-password-file -d 'File whose first line is the password of a BitLocker volume' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand detect" -l bitlocker-keys -d 'Folder with startup keys (.BEK) of BitLocker volumes' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand detect" -l deep -d 'Search each disk completely for volumes from before it was repartitioned (slow: every sector outside partitions is read)'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand detect" -l json -d 'One JSON event a line, for scripts'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand detect" -s q -l quiet -d 'Print only results and errors'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand detect" -s v -l verbose -d 'Print more about each step'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand detect" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand verify" -l level -d 'How thorough to check' -r -f -a "quick\t'Only metadata, in seconds'
full\t'Every byte'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand verify" -l store -d 'Only this store: its id or its path, as detect shows them' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand verify" -l usmt -d 'Folder with usmtutils, to check compressed stores with it too (Windows) [default: the folder of lifeboat.exe, then PATH]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand verify" -l mapfile -d 'The mapfile that ddrescue wrote with the image: parts that it did not read are losses, not zeros [default: the one beside the image]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand verify" -l user -d 'User: NAME or DOMAIN\\NAME' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand verify" -l password-file -d 'File whose first line is the password' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand verify" -l passphrase-file -d 'File whose first line is the passphrase of an encrypted set' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand verify" -l identity -d 'File with the secret key of a recipient of an encrypted set' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand verify" -l log -d 'Also write a log to FILE (CMTrace format)' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand verify" -l via -d 'Read volumes from the raw device or through the system\'s file API [default: raw where possible; the output says which and why]' -r -f -a "raw\t'The volume\'s own structures'
host\t'The file API'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand verify" -l recovery-key-file -d 'Text file with recovery keys of BitLocker volumes, such as an export from Active Directory or Entra ID (may be repeated)' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand verify" -l bitlocker-password-file -d 'File whose first line is the password of a BitLocker volume' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand verify" -l bitlocker-keys -d 'Folder with startup keys (.BEK) of BitLocker volumes' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand verify" -l all -d 'Every rescue set in the folders or URLs; the result is recorded beside each set'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand verify" -l deep -d 'Search each disk completely for volumes from before it was repartitioned (slow: every sector outside partitions is read)'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand verify" -l anonymous -d 'Log on without an account, to a share where everyone may write'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand verify" -l json -d 'One JSON event a line, for scripts'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand verify" -s q -l quiet -d 'Print only results and errors'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand verify" -s v -l verbose -d 'Print more about each step'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand sets" -l computer -d 'Only sets of computers with this in their name or serial number' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand sets" -l of-user -d 'Only sets with files of this user (the name of the profile folder)' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand sets" -l since -d 'Only sets made since: 30d, 12h, 4w, or 2026-01-31' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand sets" -l html -d 'Write the list as a page to FILE; replaces an earlier one' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand sets" -l user -d 'User: NAME or DOMAIN\\NAME' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand sets" -l password-file -d 'File whose first line is the password' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand sets" -l passphrase-file -d 'File whose first line is the passphrase of an encrypted set' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand sets" -l identity -d 'File with the secret key of a recipient of an encrypted set' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand sets" -l log -d 'Also write a log to FILE (CMTrace format)' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand sets" -l via -d 'Read volumes from the raw device or through the system\'s file API [default: raw where possible; the output says which and why]' -r -f -a "raw\t'The volume\'s own structures'
host\t'The file API'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand sets" -l recovery-key-file -d 'Text file with recovery keys of BitLocker volumes, such as an export from Active Directory or Entra ID (may be repeated)' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand sets" -l bitlocker-password-file -d 'File whose first line is the password of a BitLocker volume' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand sets" -l bitlocker-keys -d 'Folder with startup keys (.BEK) of BitLocker volumes' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand sets" -l anonymous -d 'Log on without an account, to a share where everyone may write'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand sets" -l json -d 'One JSON event a line, for scripts'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand sets" -s q -l quiet -d 'Print only results and errors'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand sets" -s v -l verbose -d 'Print more about each step'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand sets" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand prune" -l older-than -d 'Delete sets that were restored completely and are older: 90d, 12w' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand prune" -l user -d 'User: NAME or DOMAIN\\NAME' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand prune" -l password-file -d 'File whose first line is the password' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand prune" -l passphrase-file -d 'File whose first line is the passphrase of an encrypted set' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand prune" -l identity -d 'File with the secret key of a recipient of an encrypted set' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand prune" -l log -d 'Also write a log to FILE (CMTrace format)' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand prune" -l via -d 'Read volumes from the raw device or through the system\'s file API [default: raw where possible; the output says which and why]' -r -f -a "raw\t'The volume\'s own structures'
host\t'The file API'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand prune" -l recovery-key-file -d 'Text file with recovery keys of BitLocker volumes, such as an export from Active Directory or Entra ID (may be repeated)' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand prune" -l bitlocker-password-file -d 'File whose first line is the password of a BitLocker volume' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand prune" -l bitlocker-keys -d 'Folder with startup keys (.BEK) of BitLocker volumes' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand prune" -l restored -d 'Count the age from the last restore, not from when the set was made'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand prune" -l yes -d 'Delete; without it, only list what would be deleted'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand prune" -l anonymous -d 'Log on without an account, to a share where everyone may write'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand prune" -l json -d 'One JSON event a line, for scripts'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand prune" -s q -l quiet -d 'Print only results and errors'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand prune" -s v -l verbose -d 'Print more about each step'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand prune" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand gate" -l set -d 'Rescue set, or a folder with sets (may be repeated) [default: the destination in lifeboat.toml]' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand gate" -l wipes -d 'Only this drive will be wiped, such as C: (may be repeated): a store on others may stay, if it is sealed [default: all will be wiped]' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand gate" -l level -d 'How thorough to check sets, and stores that stay' -r -f -a "quick\t'Only metadata, in seconds'
full\t'Every byte'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand gate" -l mapfile -d 'The mapfile that ddrescue wrote with the image: parts that it did not read are losses, not zeros [default: the one beside the image]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand gate" -l user -d 'User: NAME or DOMAIN\\NAME' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand gate" -l password-file -d 'File whose first line is the password' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand gate" -l passphrase-file -d 'File whose first line is the passphrase of an encrypted set' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand gate" -l identity -d 'File with the secret key of a recipient of an encrypted set' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand gate" -l log -d 'Also write a log to FILE (CMTrace format)' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand gate" -l via -d 'Read volumes from the raw device or through the system\'s file API [default: raw where possible; the output says which and why]' -r -f -a "raw\t'The volume\'s own structures'
host\t'The file API'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand gate" -l recovery-key-file -d 'Text file with recovery keys of BitLocker volumes, such as an export from Active Directory or Entra ID (may be repeated)' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand gate" -l bitlocker-password-file -d 'File whose first line is the password of a BitLocker volume' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand gate" -l bitlocker-keys -d 'Folder with startup keys (.BEK) of BitLocker volumes' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand gate" -l accept-ignored -d 'Accept that scanstate ignored a user\'s profile, by its log: that user\'s files are not needed'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand gate" -l deep -d 'Search each disk completely for volumes from before it was repartitioned (slow: every sector outside partitions is read)'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand gate" -l anonymous -d 'Log on without an account, to a share where everyone may write'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand gate" -l json -d 'One JSON event a line, for scripts'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand gate" -s q -l quiet -d 'Print only results and errors'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand gate" -s v -l verbose -d 'Print more about each step'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand gate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand check" -l to -d 'Folder, \\\\server\\share\\folder or smb://user@server/share/folder [default: from lifeboat.toml beside the program]' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand check" -l retry-for -d 'How long to retry while DEST is away: 30s, 10m, 2h' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand check" -l user -d 'User: NAME or DOMAIN\\NAME' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand check" -l password-file -d 'File whose first line is the password' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand check" -l passphrase-file -d 'File whose first line is the passphrase of an encrypted set' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand check" -l identity -d 'File with the secret key of a recipient of an encrypted set' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand check" -l log -d 'Also write a log to FILE (CMTrace format)' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand check" -l via -d 'Read volumes from the raw device or through the system\'s file API [default: raw where possible; the output says which and why]' -r -f -a "raw\t'The volume\'s own structures'
host\t'The file API'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand check" -l recovery-key-file -d 'Text file with recovery keys of BitLocker volumes, such as an export from Active Directory or Entra ID (may be repeated)' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand check" -l bitlocker-password-file -d 'File whose first line is the password of a BitLocker volume' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand check" -l bitlocker-keys -d 'Folder with startup keys (.BEK) of BitLocker volumes' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand check" -l anonymous -d 'Log on without an account, to a share where everyone may write'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand check" -l json -d 'One JSON event a line, for scripts'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand check" -s q -l quiet -d 'Print only results and errors'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand check" -s v -l verbose -d 'Print more about each step'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand seal" -l store -d 'Only this store: its id or its path, as detect shows them' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand seal" -l log -d 'Also write a log to FILE (CMTrace format)' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand seal" -l via -d 'Read volumes from the raw device or through the system\'s file API [default: raw where possible; the output says which and why]' -r -f -a "raw\t'The volume\'s own structures'
host\t'The file API'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand seal" -l recovery-key-file -d 'Text file with recovery keys of BitLocker volumes, such as an export from Active Directory or Entra ID (may be repeated)' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand seal" -l bitlocker-password-file -d 'File whose first line is the password of a BitLocker volume' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand seal" -l bitlocker-keys -d 'Folder with startup keys (.BEK) of BitLocker volumes' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand seal" -l quick -d 'No hashes: only names, sizes and times'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand seal" -l json -d 'One JSON event a line, for scripts'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand seal" -s q -l quiet -d 'Print only results and errors'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand seal" -s v -l verbose -d 'Print more about each step'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand seal" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand offload" -l to -d 'Folder or share to save to' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand offload" -l store -d 'Only this store: id or path' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand offload" -l path -d 'Save this folder instead of a store' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand offload" -l of-user -d 'Save this user\'s files instead of a store' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand offload" -l mapfile -d 'The mapfile that ddrescue wrote with the image: parts that it did not read are losses, not zeros [default: the one beside the image]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand offload" -l level -d 'zstd level: -7 (fast) to 19, or auto' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand offload" -l split -d 'Split the store into files of at most SIZE: 2G, 700M (of 1024), 700MB (of 1000)' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand offload" -l name -d 'First part of the set\'s name' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand offload" -l recipient -d 'Encrypt the set to this age recipient (may be repeated): age1...' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand offload" -l recipients-file -d 'File with recipients, one per line' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand offload" -l retry-for -d 'How long to retry while DEST is away: 30s, 10m, 2h' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand offload" -l frame-bytes -d 'Uncompressed size of a frame, in bytes; small ones are for tests' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand offload" -l user -d 'User: NAME or DOMAIN\\NAME' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand offload" -l password-file -d 'File whose first line is the password' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand offload" -l passphrase-file -d 'File whose first line is the passphrase of an encrypted set' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand offload" -l identity -d 'File with the secret key of a recipient of an encrypted set' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand offload" -l log -d 'Also write a log to FILE (CMTrace format)' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand offload" -l via -d 'Read volumes from the raw device or through the system\'s file API [default: raw where possible; the output says which and why]' -r -f -a "raw\t'The volume\'s own structures'
host\t'The file API'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand offload" -l recovery-key-file -d 'Text file with recovery keys of BitLocker volumes, such as an export from Active Directory or Entra ID (may be repeated)' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand offload" -l bitlocker-password-file -d 'File whose first line is the password of a BitLocker volume' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand offload" -l bitlocker-keys -d 'Folder with startup keys (.BEK) of BitLocker volumes' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand offload" -l profiles -d 'Save all users\' files instead of a store'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand offload" -l everything -d 'With --of-user or --profiles: also save caches and temporary files'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand offload" -l deleted -d 'Recover deleted files too: below deleted in the set, each with how sure it is. Without a store: the files of deleted stores'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand offload" -l deep -d 'Search each disk completely for volumes from before it was repartitioned (slow: every sector outside partitions is read)'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand offload" -l fresh -d 'Start over instead of resuming an interrupted set'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand offload" -l no-read-back -d 'Do not read the written set back (the set records this)'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand offload" -l encrypt -d 'Encrypt the set with a passphrase (from a prompt)'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand offload" -l dry-run -d 'Only say what would be saved, where, how large and how long; save nothing'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand offload" -l despite-space -d 'Begin although DEST seems too small'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand offload" -l accept-ignored -d 'Accept that scanstate ignored a user\'s profile, by its log: that user\'s files are not needed'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand offload" -l allow-memory -d 'Save to a folder in memory too (X: of WinPE, tmpfs), which is lost when the PC restarts'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand offload" -l anonymous -d 'Log on without an account, to a share where everyone may write'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand offload" -l json -d 'One JSON event a line, for scripts'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand offload" -s q -l quiet -d 'Print only results and errors'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand offload" -s v -l verbose -d 'Print more about each step'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand offload" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand list" -l store -d 'Only this store: its id or its path, as detect shows them' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand list" -l mapfile -d 'The mapfile that ddrescue wrote with the image: parts that it did not read are losses, not zeros [default: the one beside the image]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand list" -l user -d 'User: NAME or DOMAIN\\NAME' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand list" -l password-file -d 'File whose first line is the password' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand list" -l passphrase-file -d 'File whose first line is the passphrase of an encrypted set' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand list" -l identity -d 'File with the secret key of a recipient of an encrypted set' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand list" -l log -d 'Also write a log to FILE (CMTrace format)' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand list" -l via -d 'Read volumes from the raw device or through the system\'s file API [default: raw where possible; the output says which and why]' -r -f -a "raw\t'The volume\'s own structures'
host\t'The file API'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand list" -l recovery-key-file -d 'Text file with recovery keys of BitLocker volumes, such as an export from Active Directory or Entra ID (may be repeated)' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand list" -l bitlocker-password-file -d 'File whose first line is the password of a BitLocker volume' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand list" -l bitlocker-keys -d 'Folder with startup keys (.BEK) of BitLocker volumes' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand list" -l inside -d 'Of a set: the files inside its USMT.MIG, not those of the set'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand list" -l deep -d 'Search each disk completely for volumes from before it was repartitioned (slow: every sector outside partitions is read)'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand list" -l anonymous -d 'Log on without an account, to a share where everyone may write'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand list" -l json -d 'One JSON event a line, for scripts'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand list" -s q -l quiet -d 'Print only results and errors'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand list" -s v -l verbose -d 'Print more about each step'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand report" -l to -d 'Page to write; must not exist [default: NAME-OF-SET.html here]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand report" -l user -d 'User: NAME or DOMAIN\\NAME' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand report" -l password-file -d 'File whose first line is the password' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand report" -l passphrase-file -d 'File whose first line is the passphrase of an encrypted set' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand report" -l identity -d 'File with the secret key of a recipient of an encrypted set' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand report" -l log -d 'Also write a log to FILE (CMTrace format)' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand report" -l via -d 'Read volumes from the raw device or through the system\'s file API [default: raw where possible; the output says which and why]' -r -f -a "raw\t'The volume\'s own structures'
host\t'The file API'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand report" -l recovery-key-file -d 'Text file with recovery keys of BitLocker volumes, such as an export from Active Directory or Entra ID (may be repeated)' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand report" -l bitlocker-password-file -d 'File whose first line is the password of a BitLocker volume' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand report" -l bitlocker-keys -d 'Folder with startup keys (.BEK) of BitLocker volumes' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand report" -l anonymous -d 'Log on without an account, to a share where everyone may write'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand report" -l json -d 'One JSON event a line, for scripts'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand report" -s q -l quiet -d 'Print only results and errors'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand report" -s v -l verbose -d 'Print more about each step'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand report" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand extract" -l of-user -d 'Only this user\'s files' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand extract" -l to -d 'Folder to extract to' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand extract" -l store -d 'Only this store: its id or its path, as detect shows them' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand extract" -l mapfile -d 'The mapfile that ddrescue wrote with the image: parts that it did not read are losses, not zeros [default: the one beside the image]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand extract" -l usmt -d 'Folder with usmtutils, to extract from a compressed store with it (Windows)' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand extract" -l keyfile -d 'File with the key of an encrypted store, for usmtutils' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand extract" -l decrypt -d 'Its algorithm, such as AES_256 [default: usmtutils\' own]' -r -f -a "AES\t''
AES_128\t''
AES_192\t''
AES_256\t''
3DES\t''
3DES_112\t''"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand extract" -l user -d 'User: NAME or DOMAIN\\NAME' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand extract" -l password-file -d 'File whose first line is the password' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand extract" -l passphrase-file -d 'File whose first line is the passphrase of an encrypted set' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand extract" -l identity -d 'File with the secret key of a recipient of an encrypted set' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand extract" -l log -d 'Also write a log to FILE (CMTrace format)' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand extract" -l via -d 'Read volumes from the raw device or through the system\'s file API [default: raw where possible; the output says which and why]' -r -f -a "raw\t'The volume\'s own structures'
host\t'The file API'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand extract" -l recovery-key-file -d 'Text file with recovery keys of BitLocker volumes, such as an export from Active Directory or Entra ID (may be repeated)' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand extract" -l bitlocker-password-file -d 'File whose first line is the password of a BitLocker volume' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand extract" -l bitlocker-keys -d 'Folder with startup keys (.BEK) of BitLocker volumes' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand extract" -l replace -d 'Overwrite existing files'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand extract" -l inside -d 'Of a set: the files inside its USMT.MIG, not those of the set'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand extract" -l deep -d 'Search each disk completely for volumes from before it was repartitioned (slow: every sector outside partitions is read)'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand extract" -l anonymous -d 'Log on without an account, to a share where everyone may write'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand extract" -l json -d 'One JSON event a line, for scripts'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand extract" -s q -l quiet -d 'Print only results and errors'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand extract" -s v -l verbose -d 'Print more about each step'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand extract" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l to -d 'Restore into DIR; or C=ROOT: the C: part below ROOT' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l part -d 'Only the part of this drive, such as C' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l of-user -d 'Only this user\'s files, with --into' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l into -d 'Existing profile folder for those files' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l as -d 'Account that gets those files: SID or NAME' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l user -d 'User: NAME or DOMAIN\\NAME' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l password-file -d 'File whose first line is the password' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l passphrase-file -d 'File whose first line is the passphrase of an encrypted set' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l identity -d 'File with the secret key of a recipient of an encrypted set' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l log -d 'Also write a log to FILE (CMTrace format)' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l via -d 'Read volumes from the raw device or through the system\'s file API [default: raw where possible; the output says which and why]' -r -f -a "raw\t'The volume\'s own structures'
host\t'The file API'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l recovery-key-file -d 'Text file with recovery keys of BitLocker volumes, such as an export from Active Directory or Entra ID (may be repeated)' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l bitlocker-password-file -d 'File whose first line is the password of a BitLocker volume' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l bitlocker-keys -d 'Folder with startup keys (.BEK) of BitLocker volumes' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l in-place -d 'Restore each part onto the volume it came from'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l replace -d 'Replace existing data'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l despite-space -d 'Begin even if the destination seems too small'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l deleted -d 'Restore recovered deleted files too'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l anonymous -d 'Log on without an account, to a share where everyone may write'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l json -d 'One JSON event a line, for scripts'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -s q -l quiet -d 'Print only results and errors'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -s v -l verbose -d 'Print more about each step'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand loadstate" -l store -d 'Only this store: its id or its path, as detect shows them' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand loadstate" -l way -d 'a: as Microsoft documents it; b: what may help if a fails' -r -f -a "a\t'As Microsoft documents it'
b\t'What may help if a fails'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand loadstate" -l i -d 'Migration file of the capture [default: migdocs.xml migapp.xml]' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand loadstate" -l keyfile -d 'File with the key of an encrypted store' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand loadstate" -l decrypt -d 'Its algorithm, such as AES_256 [default: loadstate\'s own]' -r -f -a "AES\t''
AES_128\t''
AES_192\t''
AES_256\t''
3DES\t''
3DES_112\t''"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand loadstate" -l mu -d 'Restore the old account as another: CORP\\alice:NEW\\anna (may be repeated)' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand loadstate" -l ui -d 'Restore only this account: CORP\\alice (may be repeated; * is a wildcard)' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand loadstate" -l ue -d 'Do not restore this account (may be repeated; * is a wildcard)' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand loadstate" -l usmt -d 'Folder with loadstate.exe' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand loadstate" -l write -d 'Also write the command as a script to FILE, which must not exist' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand loadstate" -l user -d 'User: NAME or DOMAIN\\NAME' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand loadstate" -l password-file -d 'File whose first line is the password' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand loadstate" -l passphrase-file -d 'File whose first line is the passphrase of an encrypted set' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand loadstate" -l identity -d 'File with the secret key of a recipient of an encrypted set' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand loadstate" -l log -d 'Also write a log to FILE (CMTrace format)' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand loadstate" -l via -d 'Read volumes from the raw device or through the system\'s file API [default: raw where possible; the output says which and why]' -r -f -a "raw\t'The volume\'s own structures'
host\t'The file API'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand loadstate" -l recovery-key-file -d 'Text file with recovery keys of BitLocker volumes, such as an export from Active Directory or Entra ID (may be repeated)' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand loadstate" -l bitlocker-password-file -d 'File whose first line is the password of a BitLocker volume' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand loadstate" -l bitlocker-keys -d 'Folder with startup keys (.BEK) of BitLocker volumes' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand loadstate" -l run -d 'Run it and follow its progress'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand loadstate" -l anonymous -d 'Log on without an account, to a share where everyone may write'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand loadstate" -l json -d 'One JSON event a line, for scripts'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand loadstate" -s q -l quiet -d 'Print only results and errors'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand loadstate" -s v -l verbose -d 'Print more about each step'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand loadstate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand guide" -l to -d 'Destination to fill in; you can change it on the screen' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand guide" -l name -d 'First part of the names of the sets [default: the computer\'s name]' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand guide" -l level -d 'zstd level, -7 (fast) to 19 (small); auto: what is finished first' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand guide" -l user -d 'User: NAME or DOMAIN\\NAME' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand guide" -l password-file -d 'File whose first line is the password' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand guide" -l passphrase-file -d 'File whose first line is the passphrase of an encrypted set' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand guide" -l identity -d 'File with the secret key of a recipient of an encrypted set' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand guide" -l log -d 'Also write a log to FILE (CMTrace format)' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand guide" -l via -d 'Read volumes from the raw device or through the system\'s file API [default: raw where possible; the output says which and why]' -r -f -a "raw\t'The volume\'s own structures'
host\t'The file API'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand guide" -l recovery-key-file -d 'Text file with recovery keys of BitLocker volumes, such as an export from Active Directory or Entra ID (may be repeated)' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand guide" -l bitlocker-password-file -d 'File whose first line is the password of a BitLocker volume' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand guide" -l bitlocker-keys -d 'Folder with startup keys (.BEK) of BitLocker volumes' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand guide" -l allow-memory -d 'Save to a folder in memory too (X: of WinPE, tmpfs), which is lost when the PC restarts'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand guide" -l anonymous -d 'Log on without an account, to a share where everyone may write'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand guide" -l json -d 'One JSON event a line, for scripts'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand guide" -s q -l quiet -d 'Print only results and errors'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand guide" -s v -l verbose -d 'Print more about each step'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand guide" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand completions" -l log -d 'Also write a log to FILE (CMTrace format)' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand completions" -l via -d 'Read volumes from the raw device or through the system\'s file API [default: raw where possible; the output says which and why]' -r -f -a "raw\t'The volume\'s own structures'
host\t'The file API'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand completions" -l recovery-key-file -d 'Text file with recovery keys of BitLocker volumes, such as an export from Active Directory or Entra ID (may be repeated)' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand completions" -l bitlocker-password-file -d 'File whose first line is the password of a BitLocker volume' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand completions" -l bitlocker-keys -d 'Folder with startup keys (.BEK) of BitLocker volumes' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand completions" -l json -d 'One JSON event a line, for scripts'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand completions" -s q -l quiet -d 'Print only results and errors'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand completions" -s v -l verbose -d 'Print more about each step'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'

' Prints the variables of the task sequence that Lifeboat uses, as NAME=value lines
' for the .cmd files beside this one. A program can read these variables only through
' COM, and cmd has no COM. Outside a task sequence, this script prints nothing.
'
' A value goes from here to the memory of the calling cmd, never into a file.
Option Explicit
Dim sequence, known, pair, value

On Error Resume Next
Set sequence = CreateObject("Microsoft.SMS.TSEnvironment")
If Err.Number <> 0 Then WScript.Quit 0

' The variable of the task sequence, and its name in the scripts. If several have the
' same name, the last one that is set wins.
known = Array( _
    "_SMSTSMachineName LIFEBOAT_NAME", "OSDComputerName LIFEBOAT_NAME", _
    "LifeboatTo LIFEBOAT_TO", "LifeboatUser LIFEBOAT_USER", _
    "LifeboatPassword LIFEBOAT_PASSWORD", "LifeboatName LIFEBOAT_NAME", _
    "_SMSTSLogPath LOGS", _
    "StatePath STORE", "OSDStateStorePath STORE", _
    "LifeboatStore STORE", "LifeboatSeal SEAL", "LifeboatWipes WIPES", _
    "LifeboatCapture CAPTURE", "LifeboatSource SOURCES", "LifeboatUsmt LIFEBOAT_USMT", _
    "LifeboatMigrationXml LIFEBOAT_XML", "LifeboatAccept ACCEPT", _
    "LifeboatEncrypt ENCRYPT")

For Each pair In known
    pair = Split(pair)
    value = sequence(pair(0))
    ' A name that WinPE generated is not the name of the computer.
    If pair(1) = "LIFEBOAT_NAME" And UCase(Left(value, 3)) = "MIN" Then
        If UCase(Left(value, 7)) = "MININT-" Or UCase(value) = "MINWINPC" Then value = ""
    End If
    If value <> "" Then WScript.Echo pair(1) & "=" & value
Next

//! The exe's version resource and manifest; nothing for other systems.
//!
//! The manifest says that paths may be long, that the code page is UTF-8 where
//! Windows offers that (10 version 1903 on; older ones pass over it), and for which
//! versions the program is meant. It asks for no elevation: a set can be listed and
//! verified without, and the program says when it lacks a right.

use std::env::var;
use std::error::Error;

const MANIFEST: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<assembly xmlns="urn:schemas-microsoft-com:asm.v1" manifestVersion="1.0">
  <assemblyIdentity type="win32" name="Lifeboat" version="VERSION"/>
  <trustInfo xmlns="urn:schemas-microsoft-com:asm.v3"><security><requestedPrivileges>
    <requestedExecutionLevel level="asInvoker" uiAccess="false"/>
  </requestedPrivileges></security></trustInfo>
  <application xmlns="urn:schemas-microsoft-com:asm.v3"><windowsSettings>
    <longPathAware xmlns="http://schemas.microsoft.com/SMI/2016/WindowsSettings">true</longPathAware>
    <activeCodePage xmlns="http://schemas.microsoft.com/SMI/2019/WindowsSettings">UTF-8</activeCodePage>
  </windowsSettings></application>
  <compatibility xmlns="urn:schemas-microsoft-com:compatibility.v1"><application>
    <supportedOS Id="{35138b9a-5d96-4fbd-8e2d-a2440225f93a}"/><!-- 7 -->
    <supportedOS Id="{4a2f28e3-53b9-4441-ba9c-d69d4a4a6e38}"/><!-- 8 -->
    <supportedOS Id="{1f676c76-80e1-4239-95bb-83d0f6d0da78}"/><!-- 8.1 -->
    <supportedOS Id="{8e0f7a12-bfb3-4fe8-b9a5-48fd50a15a9a}"/><!-- 10, 11 -->
  </application></compatibility>
</assembly>
"#;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    if var("CARGO_CFG_TARGET_OS")? == "windows" {
        resources()?;
    }
    Ok(())
}

fn resources() -> Result<(), Box<dyn Error>> {
    let part = |name: &str| -> Result<u64, Box<dyn Error>> {
        Ok(var(format!("CARGO_PKG_VERSION_{name}"))?.parse()?)
    };
    let (major, minor, patch) = (part("MAJOR")?, part("MINOR")?, part("PATCH")?);
    let mut resource = winresource::WindowsResource::new();
    resource
        .set("ProductName", "Lifeboat")
        .set("FileDescription", "Rescues USMT migration stores after a failed re-image")
        .set("OriginalFilename", "lifeboat.exe")
        .set("LegalCopyright", "MIT OR Apache-2.0")
        .set_manifest(&MANIFEST.replace("VERSION", &format!("{major}.{minor}.{patch}.0")));
    resource.compile()?;
    Ok(())
}

//! Completion scripts and manual pages.

use std::process::{Command, Stdio};

fn program(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_db-to-redshift")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// bash itself reads the script and completes a command by it.
#[test]
fn bash_completes_a_command() {
    let script = program(&["completions", "bash"]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("script");
    std::fs::write(&file, script).unwrap();
    let ask = format!(
        "source '{}'; COMP_WORDS=(db-to-redshift exp); COMP_CWORD=1; set -- $(complete -p db-to-redshift); \
         while [ \"$1\" != -F ]; do shift; done; \"$2\" db-to-redshift exp db-to-redshift; echo \"${{COMPREPLY[@]}}\"",
        file.display()
    );
    let output = Command::new("bash").args(["-c", &ask]).stdin(Stdio::null()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "explain", "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn every_shell_has_a_script_and_every_command_a_page() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(program(&["completions", shell]).contains("db-to-redshift"), "{shell}");
    }
    assert!(program(&["man"]).contains(".TH db-to-redshift"));
    let folder = tempfile::tempdir().unwrap();
    program(&["man", "--out", &folder.path().join("man1").display().to_string()]);
    for page in ["db-to-redshift.1", "db-to-redshift-sync.1", "db-to-redshift-explain.1"] {
        let text = std::fs::read_to_string(folder.path().join("man1").join(page)).unwrap();
        assert!(text.contains(".SH NAME"), "{page}");
    }
}

//! The list of many sets as one page for the helpdesk, in the style of the report: a table that
//! can be sorted and searched, with links to the sets' reports.
//!
//! Its one script is in the page, allowed by its hash, and loads nothing. Without it, the page is
//! the same table, newest first.

use super::html::{count, escape, name, number, shorten};
use super::sheet::{Sheet, hash_of};
use super::words;
use crate::model::units::bytes;
use crate::set::format::rescue::EndState;
use crate::sets::{Listed, State};

/// The number of sets on the page.
const MAX_ROWS: usize = 20_000;
/// The number of users that are listed of a set.
const MAX_USERS: usize = 12;

/// A set, and where its report is: a link that is already encoded.
pub struct Row<'a> {
    /// The set.
    pub set: &'a Listed,
    /// The link to its report.
    pub link: Option<String>,
}

const CSS: &str = "\
main{max-width:1180px}
h1{font-size:26px}
.list td,.list th,.list td:nth-child(n),.list th:nth-child(n){width:auto;text-align:left;white-space:normal;padding-left:0;padding-right:14px}
.list .num.num.num{text-align:right;white-space:nowrap}
.list .when.when.when{white-space:nowrap}
.list .where{font-size:13px;min-width:170px}
.list th button{margin:0;padding:0;border:0;background:none;color:inherit;font:inherit;cursor:pointer}
.list th button:after{content:\"\\00a0\\2195\"}
.list .bad{font-weight:600}
.search{margin:18px 0;font:inherit;padding:4px 8px;width:280px;max-width:100%}
.where{word-wrap:break-word;overflow-wrap:anywhere}
";

/// Sorts by the column that was clicked, and hides what does not have the words of the search.
/// In the language of old browsers.
const SCRIPT: &str = r#"(function(){
var table=document.getElementById("sets"),body=table.tBodies[0],heads=table.tHead.rows[0].cells,last=-1,up=true;
function key(row,i){var cell=row.cells[i],v=cell.getAttribute("data-v");return v===null?(cell.textContent||"").toLowerCase():v;}
function sort(i){up=i===last?!up:true;last=i;var rows=[],k;for(k=0;k<body.rows.length;k++)rows.push([key(body.rows[k],i),k,body.rows[k]]);
var n=heads[i].className.indexOf("num")>=0;
rows.sort(function(a,b){var x=n?Number(a[0]):a[0],y=n?Number(b[0]):b[0],d=x<y?-1:x>y?1:0;return(up?d:-d)||a[1]-b[1];});
for(k=0;k<rows.length;k++)body.appendChild(rows[k][2]);}
function head(i){var text=heads[i].textContent,b=document.createElement("button");b.type="button";heads[i].textContent="";b.appendChild(document.createTextNode(text));heads[i].appendChild(b);b.onclick=function(){sort(i);};}
for(var i=0;i<heads.length;i++)head(i);
var box=document.createElement("input");box.type="search";box.className="search";box.setAttribute("placeholder","Search");box.setAttribute("aria-label","Search");
box.oninput=function(){var words=box.value.toLowerCase().split(/\s+/),k,w,text,show;for(k=0;k<body.rows.length;k++){text=(body.rows[k].textContent||"").toLowerCase();show=true;for(w=0;w<words.length;w++)if(text.indexOf(words[w])<0)show=false;body.rows[k].style.display=show?"":"none";}};
table.parentNode.insertBefore(box,table);
})();"#;

/// What a list page has near its start: by this, an earlier one is known.
pub(crate) const TITLE: &str = "<title>Rescue sets</title>";

/// Makes the page. `place` is the destination, for people; `made` the time (RFC 3339).
pub fn make(rows: &[Row<'_>], place: &str, made: &str) -> Vec<u8> {
    let mut order: Vec<&Row<'_>> = rows.iter().collect();
    order.sort_by(|a, b| {
        b.set.created.cmp(&a.set.created).then_with(|| a.set.path.cmp(&b.set.path))
    });
    let mut sheet = Sheet::new();
    sheet.add(CSS);
    let (css, hash) = sheet.finish();
    let script_hash = hash_of(SCRIPT);
    let lines: String = order.iter().take(MAX_ROWS).map(|row| line(row)).collect();
    let total = rows.iter().fold(0_u64, |sum, row| sum.saturating_add(row.set.set_bytes));
    let bad = rows.iter().filter(|row| is_bad(row.set)).count() as u64;
    let (tone, verdict) = if bad == 0 {
        ("plain", "No set needs attention".to_owned())
    } else {
        ("warn", format!("{} attention", count(bad, "set needs", "sets need")))
    };
    let more = match rows.len().saturating_sub(MAX_ROWS) {
        0 => String::new(),
        more => format!("<p class=\"caption\">And {} older sets.</p>\n", number(more as u64)),
    };
    let page = format!(
        "<!DOCTYPE html>\n\
         <html lang=\"en\">\n\
         <head>\n\
         <meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src {hash}; script-src {script_hash}; base-uri 'none'; form-action 'none'\">\n\
         <meta http-equiv=\"X-UA-Compatible\" content=\"IE=edge\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <meta name=\"robots\" content=\"noindex\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         {TITLE}\n\
         <style>{css}</style>\n\
         </head>\n\
         <body>\n\
         <main>\n\
         <header>\n<p class=\"kicker\">Rescue sets</p>\n<h1 class=\"where\">{place}</h1>\n\
         <p class=\"date\">{date}</p>\n</header>\n\
         <section class=\"verdict {tone}\">\n<div>\n<p class=\"title\">{verdict}</p>\n\
         <p>{sets}, {size}. The state is that of the folder: <code>lifeboat verify --all</code> \
         checks the contents.</p>\n</div>\n</section>\n\
         <section>\n<table class=\"list\" id=\"sets\">\n<thead><tr><th>Computer</th><th>Users</th>\
         <th>Made (UTC)</th><th>State</th><th class=\"num\">Size</th><th>Verified</th>\
         <th>Restored</th><th>Set</th></tr></thead>\n<tbody>\n{lines}</tbody>\n</table>\n{more}\
         </section>\n\
         <footer>\n<p>Made by {program}. This page loads nothing: its script is in it, and only \
         sorts and searches. It lists users: keep it as safe as the sets.</p>\n</footer>\n\
         </main>\n\
         <script>{SCRIPT}</script>\n\
         </body>\n\
         </html>\n",
        place = name(&shorten(place, 200)),
        date = words::date(made),
        sets = count(rows.len() as u64, "set", "sets"),
        size = bytes(total),
        program = escape(crate::set::format::names::PROGRAM),
    );
    page.into_bytes()
}

/// Whether someone should look at a set.
fn is_bad(set: &Listed) -> bool {
    let damaged = set.verified.as_ref().is_some_and(|run| run.damage > 0);
    let state = match set.state {
        State::Complete(EndState::Saved) | State::Deleting => false,
        State::Unfinished { in_use } => !in_use,
        _ => true,
    };
    damaged || state
}

fn line(Row { set, link }: &Row<'_>) -> String {
    let cell = |class: &str, value: &str, html: &str| {
        format!("<td class=\"{class}\" data-v=\"{}\">{html}</td>", escape(value))
    };
    let text = |text: Option<&str>| text.map_or("-".to_owned(), |text| name(&shorten(text, 60)));
    let day = |time: &str| escape(&time.chars().take(10).collect::<String>());
    let computer = set.computer.as_deref().or(set.serial.as_deref());
    let state = if is_bad(set) { "bad lost" } else { "" };
    let (verified_at, verified) = match &set.verified {
        Some(run) if run.damage > 0 => {
            (run.time.as_str(), "<b class=\"lost\">damaged</b>".to_owned())
        }
        Some(run) if run.full => (run.time.as_str(), day(&run.time)),
        _ if set.read_back => ("0", "when made".to_owned()),
        Some(run) => (run.time.as_str(), format!("{}, quick", day(&run.time))),
        None => ("", "-".to_owned()),
    };
    let (restored_at, restored) = match &set.restored {
        Some(run) => {
            let partly = if run.is_complete() { "" } else { ", partly" };
            let on = run.computer.as_deref().map(|on| format!(" on {}", name(&shorten(on, 40))));
            (run.time.as_str(), format!("{}{partly}{}", day(&run.time), on.unwrap_or_default()))
        }
        None => ("", "-".to_owned()),
    };
    let folder = name(&shorten(&set.path, 120));
    let folder = match link {
        Some(link) => format!("<a href=\"{}\">{folder}</a>", escape(link)),
        None => folder,
    };
    let why = set
        .state
        .why()
        .map(|why| format!("<br><span class=\"quiet\">{}</span>", escape(&shorten(why, 200))));
    let created = set.created.as_deref().unwrap_or_default();
    let made: String = created.chars().take(16).collect();
    format!(
        "<tr>{}{}{}{}{}{}{}{}</tr>\n",
        cell("", &computer.unwrap_or_default().to_lowercase(), &text(computer)),
        cell("", "", &users(set)).replacen(" data-v=\"\"", "", 1),
        cell("when", created, &escape(&made.replacen('T', " ", 1))),
        cell(state, set.state.as_str(), set.state.words()),
        cell("num", &set.set_bytes.to_string(), &bytes(set.set_bytes)),
        cell("when", verified_at, &verified),
        cell("", restored_at, &restored),
        cell("where", &set.path, &format!("{folder}{}", why.unwrap_or_default())),
    )
}

fn users(set: &Listed) -> String {
    let Some(users) = &set.users else {
        let encrypted = set.encryption.is_some();
        return if encrypted { "<span class=\"quiet\">encrypted</span>" } else { "-" }.to_owned();
    };
    let names: Vec<String> =
        users.iter().take(MAX_USERS).map(|user| name(&shorten(&user.name, 40))).collect();
    let more = match users.len().saturating_sub(MAX_USERS) {
        0 if !set.more_users => String::new(),
        0 => " and more".to_owned(),
        more => format!(" and {} more", number(more as u64)),
    };
    format!("{}{more}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destination::Missing;
    use crate::destination::directory::DirectoryDestination;
    use crate::set::format::users::SetUser;
    use crate::sets::{SetFolder, read};

    fn listed(path: &str) -> Listed {
        let temp = tempfile::tempdir().unwrap();
        let target = DirectoryDestination::open(temp.path(), Missing::Fail).unwrap();
        let folder = SetFolder { path: path.to_owned(), entries: Vec::new() };
        read(&target, &folder).unwrap()
    }

    #[test]
    fn names_of_a_share_stay_text() {
        let hostile = "</td><script>alert(1)</script>\" onload=\"x";
        let mut set = listed(hostile);
        set.computer = Some(hostile.to_owned());
        set.state = State::Damaged(hostile.to_owned());
        set.users = Some(vec![SetUser { name: hostile.to_owned(), ..SetUser::default() }]);
        let rows = [Row { set: &set, link: Some(hostile.to_owned()) }];
        let page = String::from_utf8(make(&rows, hostile, hostile)).unwrap();
        assert_eq!(page.matches("<script>").count(), 1, "{page}");
        assert!(!page.contains("alert(1)</script>") && !page.contains("\" onload"), "{page}");
        assert!(page.contains("1 set needs attention"), "{page}");
    }

    #[test]
    fn the_newest_is_first_and_each_column_has_what_it_is_sorted_by() {
        let sets = [
            listed("A-20260101T000000Z-11111111.partial"),
            listed("B-20260301T000000Z-22222222.partial"),
        ];
        let rows: Vec<Row<'_>> = sets.iter().map(|set| Row { set, link: None }).collect();
        let page = String::from_utf8(make(&rows, "E:\\rescue", "2026-11-30T12:00:00Z")).unwrap();
        assert!(page.find(">B<").unwrap() < page.find(">A<").unwrap(), "{page}");
        assert!(page.contains("data-v=\"2026-03-01T00:00:00Z\">2026-03-01 00:00<"), "{page}");
        assert!(page.contains("script-src 'sha256-"), "{page}");
    }
}

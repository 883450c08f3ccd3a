use ms2m_sim::plan::Step;

use super::{
    chromium::Chromium,
    page::{Page, Theme},
    written::{looks_right, report},
};

#[test]
fn a_matrix_looks_right_and_explains_its_cells() {
    let Some(mut chromium) = Chromium::start("matrix::a_matrix_looks_right_and_explains_its_cells") else {
        return;
    };
    let file = report("matrix", &["matrix", "--kind", "cancel"]);
    looks_right(&mut chromium, &file);

    let mut page = Page::open(&mut chromium, &file, Theme::Light, 1_500);
    assert_eq!(page.text("header code"), "cargo sim matrix --kind cancel");
    let letters = page.texts("#grid td[data-row]");
    assert!(
        letters.len() > Step::all().len(),
        "{} cells: every step, and writes of the operator",
        letters.len()
    );
    // Before it begins, before the point of no return, after it.
    let (first, known) = (letters[0].as_str(), ["D", "R", "C"]);
    assert!(
        first == "D" && known.iter().all(|one| letters.iter().any(|letter| letter == one)),
        "{letters:?}"
    );
    page.hover("#grid td[data-row]");
    assert!(page.text("#tooltip").starts_with("cancel@asked: "), "{}", page.text("#tooltip"));
    page.click("#grid td[data-row]");
    assert_eq!(page.text("#details code"), "cargo sim run --seed 7 --fault cancel@asked");
    page.press("#grid td[aria-selected=true]", "ArrowRight");
    assert_eq!(page.text("#details code"), "cargo sim run --seed 7 --fault cancel@Pending");
    let rows = "document.querySelectorAll('#grid tbody tr:not([hidden])').length";
    assert_eq!(page.value(rows), 1);
    for letter in
        page.strings("[...document.querySelectorAll('input[data-letter]')].map((box) => box.dataset.letter)")
    {
        page.click(&format!("input[data-letter='{letter}']"));
    }
    assert_eq!(page.value(rows), 0);
}

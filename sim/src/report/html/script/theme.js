// The button goes round: what the reader's system prefers, light, dark.
{
  const THEMES = ["auto", "light", "dark"];
  const button = document.getElementById("theme");
  // A page in a file may have no storage; then the choice lasts as long as the page.
  const stored = () => { try { return localStorage.getItem("ms2m-theme"); } catch { return null; } };
  const store = (theme) => { try { localStorage.setItem("ms2m-theme", theme); } catch { /* see above */ } };
  const show = (theme) => {
    document.documentElement.dataset.theme = theme;
    button.textContent = `Theme: ${theme}`;
  };
  button.addEventListener("click", () => {
    const next = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length];
    show(next);
    store(next);
  });
  show(THEMES.includes(stored()) ? stored() : "auto");
}

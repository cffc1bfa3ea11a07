// Fetches a part of the page again when the record or the jobs it shows have changed, at once rather
// than by the clock. Without this script the part asks by the clock alone, and without any the page does.

const page = document.querySelector("[data-events]");

if (page) {
  const events = new EventSource(page.dataset.events);
  const changed = () => {
    const part = document.getElementById(page.dataset.part);
    if (!part.hasAttribute("hx-get")) return events.close(); // nothing more is to come
    part.dispatchEvent(new Event("changed"));
  };
  for (const name of ["record", "job", "jobs"]) events.addEventListener(name, changed);
}

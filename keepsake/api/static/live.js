// Fetches a part of the page again when the record it shows has changed, at once rather than by the
// clock. Without this script the part asks by the clock alone, and without any the page does.

const page = document.querySelector("[data-events]");

if (page) {
  const events = new EventSource(page.dataset.events);
  events.addEventListener("record", () => {
    const part = document.getElementById(page.dataset.part);
    if (!part.hasAttribute("hx-get")) return events.close(); // nothing more is to come
    part.dispatchEvent(new Event("changed"));
  });
}

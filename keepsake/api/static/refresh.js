// For a page that fetches its figures again by the clock: not while nobody sees it, but as soon as
// somebody does; and what the reader has opened stays open.

htmx.config.morphIgnore.push("open");

document.addEventListener("htmx:before:request", (event) => {
  if (document.hidden) event.preventDefault();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) document.querySelector("[data-refreshed]").dispatchEvent(new Event("changed"));
});

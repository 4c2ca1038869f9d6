// Asks for the part of the page that changes, until nothing does any more.
const place = document.getElementById("import");
const PAUSE = 400; // milliseconds
let pause = PAUSE;

async function refresh() {
  try {
    const answer = await fetch(place.dataset.progress, { headers: { Accept: "text/html" } });
    if (answer.redirected) return location.reload(); // signed out meanwhile
    if (!answer.ok) throw new Error(answer.status);
    place.innerHTML = await answer.text();
    pause = PAUSE;
  } catch {
    pause = Math.min(2 * pause, 10_000); // the network is away, or the app
  }
  watch();
}

function watch() {
  if (place.querySelector("[data-open]")) setTimeout(refresh, pause);
}

watch();

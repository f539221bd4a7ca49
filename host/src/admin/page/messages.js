// The last messages, newest first. All of it is strangers' text.

import { element, fill } from "./dom.js";
import { bytes, seconds } from "./figures.js";

const GOOD = { accepted: "good", deferred: "warn" };

function envelope(message) {
  const more = message.rcpts - message.recipients.length;
  const recipients = message.recipients.map((one) => `<${one}>`).join(", ") + (more > 0 ? ` and ${more} more` : "");
  const line = `<${message.sender}> → ${recipients}`;
  if (message.content === null) return line;
  return element("details", "", element("summary", "", line), element("pre", "", message.content));
}

/** Asks for them and shows them. */
export async function showMessages() {
  const wanted = document.getElementById("search").value;
  const answer = await fetch(`messages?${new URLSearchParams({ q: wanted, limit: "50" })}`);
  if (!answer.ok) throw new Error(`messages: ${answer.status}`);
  const table = document.getElementById("messages");
  // Somebody reads one: it stays open.
  if (table.querySelector("details[open]")) return;
  fill(table, [
    { name: "Time", of: (m) => new Date(m.at * 1000).toLocaleTimeString() },
    { name: "Verdict", of: (m) => m.verdict, className: (m) => GOOD[m.verdict] ?? "bad" },
    { name: "Envelope", of: envelope, className: () => "text" },
    { name: "Size", number: true, of: (m) => bytes(m.size) },
    { name: "Took", number: true, of: (m) => seconds(m.took) },
    { name: "Client", of: (m) => m.remote || "local" },
    { name: "HELO", of: (m) => m.helo },
    { name: "TLS", of: (m) => m.tls || "–" },
    { name: "Id", of: (m) => m.id },
  ], await answer.json());
}

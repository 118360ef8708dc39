// Polls /status, listens to /events, and shows both.
import { change, events, Refused, status, useToken } from './api.js';
import { View } from './view.js';

const POLL_MS = 1_000;
const RETRY_MS = 3_000;
const EVENTS_KEPT = 100;

const $ = id => document.getElementById(id);
const view = new View(async (service, backend, wanted) => {
  $('problem').hidden = true;
  try {
    await change(service, backend, wanted);
  } catch (error) {
    // Stays until the next change is asked for.
    $('problem').textContent = `${service}/${backend}: ${error.message}`;
    $('problem').hidden = false;
  }
  await refresh();
});

function askForToken(why) {
  if (!$('login').hidden) return;
  $('login-error').textContent = why;
  $('login').hidden = false;
  $('token').focus();
}

$('login').addEventListener('submit', async event => {
  event.preventDefault();
  useToken($('token').value);
  $('token').value = '';
  $('login').hidden = true;
  await refresh();
});

async function refresh() {
  let lost = '';
  try {
    view.show(await status());
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    lost = error.message;
    if (error.status === 403) askForToken(error.message);
  }
  const link = $('link');
  if (link.textContent !== (lost || 'live')) link.textContent = lost || 'live';
  link.classList.toggle('lost', lost !== '');
}

/** What happened, in words; anything that is not known is shown as it came. */
function words({ type, data }) {
  const { service, backend, from, to, reason, ...rest } = data;
  const where = [service, backend].filter(part => part !== undefined).join('/');
  const what = to === undefined ? type : `${from} → ${to}`;
  const more =
    reason ??
    Object.entries(rest)
      .filter(([key]) => key !== 'at' && key !== 'time')
      .map(([key, value]) => `${key} ${JSON.stringify(value)}`)
      .join(', ');
  return [where, what, more].filter(part => part !== undefined && part !== '').join(': ');
}

function showEvent(event) {
  const item = document.createElement('li');
  const time = document.createElement('time');
  const now = new Date();
  time.dateTime = now.toISOString();
  time.textContent = now.toTimeString().slice(0, 8);
  item.append(time, ` ${words(event)}`);
  $('log').hidden = false;
  $('events').prepend(item);
  while ($('events').children.length > EVENTS_KEPT) $('events').lastElementChild.remove();
}

async function listen() {
  for (;;) {
    try {
      await events(event => {
        showEvent(event);
        void refresh();
      });
    } catch {
      // /status says that there is no answer, or that a token is missing.
    }
    await new Promise(resolve => setTimeout(resolve, RETRY_MS));
  }
}

async function poll() {
  for (;;) {
    // A page that nobody looks at asks for nothing.
    if (!document.hidden) await refresh();
    await new Promise(resolve => setTimeout(resolve, POLL_MS));
  }
}

void poll();
void listen();

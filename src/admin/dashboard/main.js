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

const WORDS = {
  weight: 'weight',
  backend_added: 'added',
  backend_removed: 'removed',
  lookup_failed: 'name look-up failed',
  split_brain: 'split brain: several primaries',
  split_brain_over: 'split brain is over',
  lookup_recovered: 'name look-up works again',
  reloaded: 'configuration reloaded',
  reload_refused: 'reload refused',
  upgrade_step: 'upgrade',
  upgrade_refused: 'upgrade refused',
  upgraded: 'upgraded: a new process has taken over',
  thread_lost: 'a data-plane thread died and is replaced',
  draining: 'draining',
};

/** What happened, in words; an event that this page does not know goes by its own name. */
function words({ type, data }) {
  const { service, backend, name, from, to, reason, on, changes, errors } = data;
  const where = [service, backend ?? name].filter(part => part !== undefined).join('/');
  let what = WORDS[type] ?? type;
  if (type === 'state') what = to;
  else if (type === 'panic')
    what = on ? 'too few healthy backends: health is ignored' : 'health counts again';
  else if (to !== undefined) what += ` ${from} → ${to}`;
  const details = [reason, ...(changes ?? []), ...(errors ?? [])].filter(
    part => part !== undefined && part !== '',
  );
  return [where, what, details.join('; ')].filter(part => part !== '').join(': ');
}

function showEvent(event) {
  const item = document.createElement('li');
  const time = document.createElement('time');
  const at = new Date(event.data.at);
  time.dateTime = at.toISOString();
  time.textContent = at.toTimeString().slice(0, 8);
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

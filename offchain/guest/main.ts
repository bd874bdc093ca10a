import type { GuestStatus } from '../protocol/calls';
import type { Health } from '../runtime/control';
import { type ProcessContext, type RunningProcess, runProcess } from '../runtime/lifecycle';
import { loadNetwork } from '../runtime/network';
import { type GuestConfig, GuestConfigSchema } from './config';
import { openGuest } from './open-guest';

runProcess({ name: 'guest', config: GuestConfigSchema, start });

/** Ready as a process when the socket listens: the worker then sees the model load. */
async function start(context: ProcessContext<GuestConfig>): Promise<RunningProcess> {
  const { config, log, metrics } = context;
  let shown = '';
  const { guest, engine, simulated, close } = await openGuest(config, {
    network: loadNetwork(config.network),
    log,
    metrics,
    onStatus: ({ state, reason, progress, running }) => {
      const percent = Math.floor(progress * 100);
      const line = `${state} ${percent} ${reason}`;
      if (line === shown) return;
      shown = line;
      log.info({ state, reason, percent, running }, 'state');
      context.report('state', { state, percent, reason: reason ?? '' });
    },
  });
  return {
    details: { socket: config.socket, simulated, modelProven: engine.modelProven },
    health: () => healthOf(guest.status(), engine.modelProven),
    stop: close,
  };
}

const HEALTH: Readonly<Record<GuestStatus['state'], Health['status']>> = {
  booting: 'starting',
  loading: 'starting',
  ready: 'ok',
  draining: 'stopping',
  failed: 'failing',
};

function healthOf(status: GuestStatus, modelProven: boolean): Health {
  const { state, reason, running, simulated } = status;
  return { status: HEALTH[state], details: { state, running, simulated, modelProven, ...(reason === null ? {} : { reason }) } };
}

import { type TestContext, test } from 'node:test';
import { openEventStoreLog } from '../../infra/event-log/eventstoredb.ts';
import { startTcpProxy } from '../tcp-proxy.ts';
import { eventLogContract, type LogUnderTest } from './event-log.ts';
import { startPeer } from './eventstoredb-peer/start.ts';

const appendsManyAtomically = false;
const module = new URL('./event-log-eventstoredb-open.ts', import.meta.url).href;

/** What the documentation of `openEventStoreLog` asks of a server. */
const maxAppendBytes = 8 * 1024 * 1024;

async function startOnPeer(t: TestContext): Promise<LogUnderTest> {
  const peer = await startPeer(t, maxAppendBytes);
  const proxy = await startTcpProxy(t, { port: peer.port, host: '127.0.0.1' });
  const options = { connectionString: `esdb://127.0.0.1:${proxy.port}?tls=false` };
  const open = () => openEventStoreLog(options);
  return {
    log: await open(),
    open,
    restartEngine: peer.restart,
    cut: proxy.cut,
    writer: { module, argument: JSON.stringify(options) },
  };
}

eventLogContract('eventstoredb, peer', startOnPeer, { appendsManyAtomically, faults: ['restart', 'cut'] });

const connectionString = process.env.SHIPLOG_TEST_EVENTSTORE_URL;
if (connectionString === undefined) {
  test('eventstoredb, server', { skip: 'SHIPLOG_TEST_EVENTSTORE_URL names no server' }, () => undefined);
} else {
  const startOnServer = async (): Promise<LogUnderTest> => {
    const options = { connectionString, streamPrefix: `shiplog-test-${crypto.randomUUID()}-` };
    const open = () => openEventStoreLog(options);
    return { log: await open(), open, writer: { module, argument: JSON.stringify(options) } };
  };
  eventLogContract('eventstoredb, server', startOnServer, { appendsManyAtomically, faults: [] });
}

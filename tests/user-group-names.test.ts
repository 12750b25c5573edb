import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { addMember } from '../commands/add-member.ts';
import { idAllocator } from '../commands/allocate-id.ts';
import { projectWithOwner } from '../commands/create-project.ts';
import { createUserGroup } from '../commands/create-user-group.ts';
import { deleteUserGroup } from '../commands/delete-user-group.ts';
import { recorder } from '../commands/record.ts';
import { renameUserGroup } from '../commands/rename-user-group.ts';
import { reserveGroupKey } from '../commands/user-group-key.ts';
import { catalogue } from '../domain/catalogue.ts';
import { Refusal } from '../domain/refusal.ts';
import type { UserGroup } from '../domain/user-group/decider.ts';
import { newEventId } from '../infra/event-log/ids.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import { openLog } from './contracts/event-log-postgres-client.ts';
import { startPostgres } from './postgres.ts';

const metadata = { actor: 'system' };
const named = (name: string) => ({ groupType: 'oidc', name, dn: null }) as const;
const keyOf = (key: string, groupId: number) => ({ groupType: 'oidc', key, groupId }) as const;

/** The commands of one process on the log. */
async function openProcess(t: TestContext, connection: string) {
  const log = await openLog(connection);
  t.after(() => log.close());
  const ports = {
    log,
    record: recorder({ log, catalogue, newEventId }),
    allocateId: idAllocator({ log, catalogue, newEventId }),
  };
  const creating = createUserGroup(ports);
  return {
    ...ports,
    async create(name: string): Promise<UserGroup> {
      const { groupId } = await creating(named(name), metadata);
      return { ...named(name), groupId };
    },
    rename: (group: UserGroup, name: string) => renameUserGroup(ports)(group, name, metadata),
    remove: ({ groupId }: UserGroup) => deleteUserGroup(ports)(groupId, metadata),
    reserve: async (name: string, groupId: number, from: EventLog = log) =>
      ports.record(metadata, await reserveGroupKey(from, keyOf(name, groupId))),
  };
}

async function start(t: TestContext) {
  const { connection } = await startPostgres(t);
  const written = JSON.stringify(connection());
  return { one: await openProcess(t, written), other: await openProcess(t, written) };
}

/** The log as it will be read in two minutes. */
const later = (log: EventLog): EventLog => ({
  ...log,
  async readStream(stream, from) {
    const { events, revision } = await log.readStream(stream, from);
    const past = (at: Date) => new Date(at.getTime() - 120_000);
    return { events: events.map((event) => ({ ...event, recordedAt: past(event.recordedAt) })), revision };
  },
});

const refusedWith = (kind: Refusal['reason']['kind']) => (error: unknown) =>
  error instanceof Refusal && error.reason.kind === kind;
const isTaken = refusedWith('user-group-exists');

test('of processes that call a group the same at once, new or renamed, one succeeds', async (t) => {
  const { one, other } = await start(t);
  const before = await Promise.all([one.create('a'), other.create('b')]);
  const answers = await Promise.allSettled([
    one.rename(before[0], 'wanted'),
    other.rename(before[1], 'wanted'),
    one.create('wanted'),
    other.create('wanted'),
  ]);
  assert.deepEqual(answers.map(({ status }) => status).toSorted(), [
    'fulfilled',
    'rejected',
    'rejected',
    'rejected',
  ]);
  for (const answer of answers) if (answer.status === 'rejected') assert.ok(isTaken(answer.reason));
});

test('the name that a group had is free at once, by a renaming and by a deletion', async (t) => {
  const { one, other } = await start(t);
  const group = await one.create('first');
  await one.rename(group, 'second');
  await other.create('first');
  await other.remove(group);
  await one.create('second');
});

test('a name that a crash left without its group is free after a minute, and not before', async (t) => {
  const { one } = await start(t);
  await one.reserve('lost', 70);
  await assert.rejects(one.create('lost'), isTaken);
  await one.reserve('lost', 71, later(one.log));
  await assert.rejects(one.reserve('lost', 70), isTaken);
});

test('a name stays with its group, however long that is, also where a renaming was begun before another', async (t) => {
  const { one, other } = await start(t);
  const group = await one.create('first');
  await one.rename(group, 'second');
  // As a view that was read before shows it.
  await other.rename(group, 'third');
  for (const name of ['first', 'second']) await one.reserve(name, 80, later(one.log));
  await assert.rejects(one.reserve('third', 80, later(one.log)), isTaken);
});

test('a group that was deleted is not renamed, and becomes no member', async (t) => {
  const { one, other } = await start(t);
  const group = await one.create('gone');
  await one.remove(group);
  await assert.rejects(other.rename(group, 'back'), refusedWith('user-group-unknown'));
  const owner = { username: 'admin', userId: 1 };
  const project = { name: 'library', projectId: 1, public: true, metadata: {}, storageLimit: null, owner };
  await one.record(metadata, ...projectWithOwner({ ...project, memberId: 1 }));
  const member = {
    projectId: 1,
    project: 'library',
    entityType: 'group',
    entityId: group.groupId,
    entityName: 'gone',
    role: 'guest',
  } as const;
  await assert.rejects(addMember(other)(member, metadata), refusedWith('user-group-unknown'));
});

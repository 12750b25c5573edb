import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AccountSubject } from '../../domain/access/subject.ts';
import type { Metadata } from '../../domain/event.ts';
import type { LoginEvent } from '../../domain/login/events.ts';
import type { Session, SessionStore } from '../../infra/session-store/port.ts';
import type { LoggedIn } from './login.ts';
import { hashOfSessionId, newSessionId, sendSessionId, sessionIdOf } from './session-cookie.ts';
import type { FindSubject } from './subject.ts';

export interface SessionsPorts {
  readonly store: SessionStore;
  readonly findSubject: FindSubject;
  /** After how many minutes without a request a session ends. */
  timeoutMinutes(): Promise<number>;
  /** Where clients reach the registry when that is not where they connect to. */
  readonly externalUrl: string | undefined;
  /** Returns at once. */
  recordLogin(event: LoginEvent, metadata: Metadata): void;
}

/** An open session as its user may see it. */
export interface ShownSession
  extends Pick<Session, 'createdAt' | 'lastUsedAt' | 'expiresAt' | 'address' | 'userAgent'> {
  /** Names it, and opens nothing. */
  readonly id: string;
  /** Whether the request came with it. */
  readonly current: boolean;
}

/** The sessions of browsers: 256 random bits in a cookie, of which only the hash is kept. */
export interface Sessions {
  /**
   * Opens one for a user who has just shown the password, in the place of the one that the request came with: an id
   * that was there before the login may be known to somebody else.
   */
  open(request: FastifyRequest, reply: FastifyReply, subject: AccountSubject): Promise<void>;
  /** Gives a browser an id for who has not logged in, unless it has one. Such a session is kept nowhere. */
  begin(request: FastifyRequest, reply: FastifyReply): void;
  /** Who the request comes from by its session; undefined without one that is open and whose user has not changed. */
  identify(request: FastifyRequest): Promise<LoggedIn | undefined>;
  /** Ends the one that the request came with. */
  logOut(request: FastifyRequest, reply: FastifyReply, metadataFor: MetadataFor): Promise<void>;
  /** The newest first. */
  listOf(request: FastifyRequest, userId: number): Promise<ShownSession[]>;
  /** Ends one of the user; whether there was such. */
  end(request: FastifyRequest, reply: FastifyReply, of: OwnSessions, id: string): Promise<boolean>;
  /** Ends all of the user. */
  endAll(request: FastifyRequest, reply: FastifyReply, of: OwnSessions): Promise<void>;
  /** Ends all of a user without a word in the log, since what has led to it is there. */
  forgetAllOf(userId: number): Promise<void>;
}

export type MetadataFor = (loggedIn: LoggedIn) => Metadata;

export interface OwnSessions {
  readonly userId: number;
  readonly username: string;
  readonly metadata: Metadata;
}

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;
/** However often it is used; longer only where more may pass between two requests. */
const absoluteMs = 7 * dayMs;
/** The most that a timeout means. */
const longestTimeoutMs = 365 * dayMs;
/** Use is written this often at most, and twice within a timeout. */
const renewalMs = minuteMs;
/** More than anybody has browsers, also where scripts log in and never out. */
const maxOfUser = 100;
const maxUserAgent = 512;

interface Limits {
  readonly timeoutMs: number;
  readonly absoluteMs: number;
}

/** By today's settings, whatever they were when it was last used. */
const isOver = ({ lastUsedAt, createdAt }: Session, { timeoutMs, absoluteMs }: Limits): boolean =>
  Date.now() - lastUsedAt.getTime() >= timeoutMs || Date.now() - createdAt.getTime() >= absoluteMs;

export function sessionsWith(ports: SessionsPorts): Sessions {
  const { store, findSubject, externalUrl, recordLogin } = ports;

  async function limits(): Promise<Limits> {
    const timeoutMs = Math.min((await ports.timeoutMinutes()) * minuteMs, longestTimeoutMs);
    return { timeoutMs, absoluteMs: Math.max(absoluteMs, timeoutMs) };
  }

  async function find(request: FastifyRequest): Promise<(LoggedIn & { session: Session }) | undefined> {
    const id = sessionIdOf(request);
    const session = id === undefined ? undefined : await store.find(hashOfSessionId(id));
    if (session === undefined) return undefined;
    const loggedIn = isOver(session, await limits()) ? undefined : await findSubject(subjectOf(session));
    return loggedIn && { ...loggedIn, session };
  }

  const used = (request: FastifyRequest, createdAt: Date, by: Limits) => {
    const lastUsedAt = new Date();
    const end = Math.min(lastUsedAt.getTime() + by.timeoutMs, createdAt.getTime() + by.absoluteMs);
    return {
      lastUsedAt,
      expiresAt: new Date(end),
      address: request.ip,
      userAgent: (request.headers['user-agent'] ?? '').slice(0, maxUserAgent),
    };
  };

  async function renew(request: FastifyRequest, session: Session): Promise<void> {
    if (request.headers['x-harbor-no-session-renewal'] !== undefined) return;
    const by = await limits();
    const unusedMs = Date.now() - session.lastUsedAt.getTime();
    if (unusedMs < Math.min(renewalMs, by.timeoutMs / 2)) return;
    await store.renew({ ...session, ...used(request, session.createdAt, by) });
  }

  const currentHash = (request: FastifyRequest): string | undefined => {
    const id = sessionIdOf(request);
    return id === undefined ? undefined : hashOfSessionId(id);
  };

  function recordLogout({ username, metadata }: Omit<OwnSessions, 'userId'>, all: boolean): void {
    recordLogin({ type: 'LoggedOut', data: { kind: 'user', username, all } }, metadata);
  }

  return {
    async open(request, reply, { id: userId, name: username, credentialVersion }) {
      const before = currentHash(request);
      if (before !== undefined) await store.end(before);
      const id = newSessionId();
      const user = { userId, username, credentialVersion };
      const createdAt = new Date();
      const session = { createdAt, user, idHash: hashOfSessionId(id) };
      await store.open({ ...session, ...used(request, createdAt, await limits()) }, maxOfUser);
      sendSessionId(request, reply, id, externalUrl);
    },

    begin(request, reply) {
      if (sessionIdOf(request) === undefined) sendSessionId(request, reply, newSessionId(), externalUrl);
    },

    async identify(request) {
      const found = await find(request);
      if (found === undefined) return undefined;
      const { session, ...loggedIn } = found;
      await renew(request, session);
      return loggedIn;
    },

    async logOut(request, reply, metadataFor) {
      const found = await find(request);
      const current = currentHash(request);
      const wasOpen = current !== undefined && (await store.end(current));
      sendSessionId(request, reply, null, externalUrl);
      if (found === undefined || !wasOpen) return;
      recordLogout({ username: found.session.user.username, metadata: metadataFor(found) }, false);
    },

    async listOf(request, userId) {
      const current = currentHash(request);
      const by = await limits();
      const sessions = (await store.listOf(userId)).filter((session) => !isOver(session, by));
      // All are of one user, and mostly of one password.
      const usable = new Map<number, boolean>();
      for (const session of sessions) {
        const { credentialVersion } = session.user;
        if (!usable.has(credentialVersion))
          usable.set(credentialVersion, (await findSubject(subjectOf(session))) !== undefined);
      }
      return sessions
        .filter(({ user }) => usable.get(user.credentialVersion))
        .map(({ idHash, user: _, ...session }) => ({ ...session, id: idHash, current: idHash === current }));
    },

    async end(request, reply, of, id) {
      const isOwn = (await store.listOf(of.userId)).some(({ idHash }) => idHash === id);
      if (!isOwn || !(await store.end(id))) return false;
      if (id === currentHash(request)) sendSessionId(request, reply, null, externalUrl);
      recordLogout(of, false);
      return true;
    },

    async endAll(request, reply, of) {
      await store.endAllOf(of.userId);
      if (currentHash(request) !== undefined) sendSessionId(request, reply, null, externalUrl);
      recordLogout(of, true);
    },

    forgetAllOf: (userId) => store.endAllOf(userId),
  };
}

const subjectOf = ({ user }: Session): AccountSubject => ({
  kind: 'user',
  id: user.userId,
  name: user.username,
  credentialVersion: user.credentialVersion,
});

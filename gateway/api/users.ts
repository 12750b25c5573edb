import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { authorize } from '../../domain/access/authorize.ts';
import type { Permission } from '../../domain/access/permission.ts';
import { accessTokenOf, userOf } from '../../domain/access/principal.ts';
import type { Filter } from '../../projections/listing.ts';
import type { ListedUser } from '../../projections/users/queries.ts';
import { asUser } from '../auth/login.ts';
import { sessionIdOf } from '../auth/session-cookie.ts';
import type { Access, Asker } from './access.ts';
import { creates, lists, nothing, shows } from './answer-forms.ts';
import { requireStrong } from './credentials.ts';
import { badRequest, forbidden, notFound, preconditionFailed } from './faults.ts';
import { operation } from './operation.ts';
import { required, text as textParameter } from './parameter-forms.ts';
import type { ApiPorts } from './ports.ts';
import { firstUser } from './user-erasures.ts';
import {
  foundUser,
  readUsername,
  requirePlain,
  requireProfile,
  shownUsers,
  userAnswer,
} from './user-form.ts';

const text = z
  .string()
  .nullish()
  .transform((given) => given ?? '');
const profile = z.object({ email: text, realname: text, comment: text });
const newUser = profile.extend({ username: text, password: text });
const passwords = z.object({ old_password: text, new_password: text });
const rights = z.object({ sysadmin_flag: z.boolean().nullish() });

/** Harbor's `user` operations. */
export function userRoutes(api: FastifyInstance, ports: ApiPorts, access: Access): void {
  const { queries, commands, reached, emailKeyOf } = ports;

  /** The user of the path, for himself or for who may do this to every user. */
  async function himselfOr(
    request: FastifyRequest,
    userId: number,
    permission: Permission,
  ): Promise<Asker & { user: ListedUser; isHimself: boolean }> {
    const asker = await access.known(request);
    const requireHimselfOr = ({ principal }: Asker): boolean => {
      const isHimself = principal.kind === 'user' && principal.userId === userId;
      if (!isHimself && !authorize(principal, permission, { kind: 'system' })) throw forbidden();
      return isHimself;
    };
    access.again(request, requireHimselfOr);
    const isHimself = requireHimselfOr(asker);
    return { ...asker, user: await existing(userId), isHimself };
  }

  /** Who may make users: by right, or from a browser for himself where that is on. */
  async function creating(request: FastifyRequest): Promise<Asker & { isForHimself: boolean }> {
    const { auth_mode, self_registration } = await ports.configuration();
    if (auth_mode !== 'db_auth')
      throw forbidden(`creating local user is not allowed under auth mode: ${auth_mode}`);
    if (!self_registration)
      return { ...(await access.inSystem(request, 'user:create')), isForHimself: false };
    const asker = await access.anyone(request);
    const { principal } = asker;
    if (authorize(principal, 'user:create', { kind: 'system' })) return { ...asker, isForHimself: false };
    if (sessionIdOf(request) === undefined) throw forbidden('self-registration cannot be triggered via API');
    if (principal.kind !== 'anonymous') throw forbidden();
    return { ...asker, isForHimself: true };
  }

  async function existing(userId: number): Promise<ListedUser> {
    const user = await queries.findUser(userId);
    if (user === undefined) throw notFound(`user ${userId} not found`);
    return user;
  }

  async function shownUser(user: ListedUser) {
    const [shown] = await shownUsers(ports, [user]);
    if (shown === undefined) throw notFound(`user ${user.userId} not found`);
    return shown;
  }

  /** Addresses are kept sealed, so they are found as a whole alone, whatever way they are asked for. */
  const byEmail = (email: string): Filter => ({ key: 'email_key', kind: 'is', value: emailKeyOf(email) });
  const withoutEmail = (filter: Filter): Filter => {
    if (filter.key.toLowerCase() !== 'email') return filter;
    return byEmail(filter.kind === 'is' || filter.kind === 'contains' ? filter.value : '');
  };

  operation(
    api,
    {
      id: 'listUsers',
      tag: 'user',
      method: 'GET',
      path: '/users',
      summary: 'The users, save the first administrator.',
      query: { username: textParameter, email: textParameter },
      answer: lists(userAnswer),
    },
    async ({ request, listing, query: { username, email } }) => {
      await access.inSystem(request, 'user:list');
      const filters = [
        ...listing.filters.map(withoutEmail),
        ...(username === undefined ? [] : [{ key: 'username', kind: 'contains', value: username } as const]),
        ...(email === undefined ? [] : [byEmail(email)]),
      ];
      const { rows, total } = await queries.listUsers({ ...listing, filters });
      return { rows: await shownUsers(ports, rows), total };
    },
  );

  operation(
    api,
    {
      id: 'createUser',
      tag: 'user',
      method: 'POST',
      path: '/users',
      summary: 'Creates a user; a browser does so for who has no account, where self_registration is on.',
      body: newUser,
      answer: creates,
    },
    async ({ request, body }) => {
      const { metadata, isForHimself } = await creating(request);
      const { username: written, password, ...person } = await body();
      requireStrong(password);
      requireProfile(person);
      const username = readUsername(written);
      // Whose address it is would log in with it, and be taken for who is called so.
      if (isForHimself) requirePlain(username);
      if (isForHimself && username.includes('@') && username !== person.email)
        throw badRequest('username is the email address of somebody else');
      const { userId, position } = await commands.createUser({ username, password, ...person }, metadata);
      await reached(position);
      return { id: userId };
    },
  );

  operation(
    api,
    {
      id: 'getCurrentUserInfo',
      tag: 'user',
      method: 'GET',
      path: '/users/current',
      summary: 'The user who asks.',
      answer: shows(userAnswer),
    },
    async ({ request }) => {
      const { principal } = await access.known(request);
      const user = userOf(principal);
      if (user === undefined)
        throw preconditionFailed(`get current user not available for security context: ${principal.kind}`);
      return shownUser(await existing(user.userId));
    },
  );

  operation(
    api,
    {
      id: 'searchUsers',
      tag: 'user',
      method: 'GET',
      path: '/users/search',
      summary: 'Users by a part of their names, the shortest first.',
      query: { username: required(textParameter) },
      answer: lists(foundUser, 'paged'),
    },
    async ({ request, query: { username }, listing }) => {
      await access.known(request);
      const { rows, total } = await queries.searchUsers(username, listing);
      return { rows: rows.map((user) => ({ user_id: user.userId, username: user.username })), total };
    },
  );

  operation(
    api,
    {
      id: 'getUser',
      tag: 'user',
      method: 'GET',
      path: '/users/:user_id',
      summary: 'A user.',
      answer: shows(userAnswer),
    },
    async ({ request, path }) => {
      const { user } = await himselfOr(request, path.user_id, 'user:read');
      return shownUser(user);
    },
  );

  operation(
    api,
    {
      id: 'updateUserProfile',
      tag: 'user',
      method: 'PUT',
      path: '/users/:user_id',
      summary: 'Replaces what a user says of himself.',
      body: profile,
      answer: nothing,
    },
    async ({ request, path, body }) => {
      const { user, metadata } = await himselfOr(request, path.user_id, 'user:update');
      const person = await body();
      requireProfile(person);
      const { username, userId, emailKey: emailKeyBefore } = user;
      await reached(await commands.changeProfile({ username, userId, emailKeyBefore, ...person }, metadata));
    },
  );

  operation(
    api,
    {
      id: 'deleteUser',
      tag: 'user',
      method: 'DELETE',
      path: '/users/:user_id',
      summary: 'Deletes a user, whose name and address are free from then on.',
      answer: nothing,
    },
    async ({ request, path: { user_id: userId } }) => {
      const { principal, metadata } = await access.inSystem(request, 'user:delete');
      if (userId === firstUser || userOf(principal)?.userId === userId)
        throw forbidden(`User with ID ${userId} cannot be deleted`);
      const { username, emailKey } = await existing(userId);
      await reached(
        ports.erasures.atDeletion
          ? await ports.erasures.erase({ userId, user: { username, emailKey } }, metadata)
          : await commands.deleteUser({ username, userId, emailKey }, metadata),
      );
      // They are void by now; the addresses that they were used from go as well.
      await ports.sessions.forgetAllOf(userId);
    },
  );

  operation(
    api,
    {
      id: 'setUserSysAdmin',
      tag: 'user',
      method: 'PUT',
      path: '/users/:user_id/sysadmin',
      summary: 'Makes a user an administrator of the system, or ends that.',
      body: rights,
      answer: nothing,
    },
    async ({ request, path: { user_id: userId }, body }) => {
      const { principal, metadata } = await access.inSystem(request, 'user:update');
      // It would lead to what its user may beyond it.
      if (principal.kind === 'access-token')
        throw forbidden('a limited access token makes no administrators');
      const { sysadmin_flag } = await body();
      const { username } = await existing(userId);
      const administrator = sysadmin_flag === true;
      await reached(await commands.changeAdministrator({ username, userId, administrator }, metadata));
    },
  );

  operation(
    api,
    {
      id: 'updateUserPassword',
      tag: 'user',
      method: 'PUT',
      path: '/users/:user_id/password',
      summary: 'Changes a password; who changes his own has to know it.',
      body: passwords,
      answer: nothing,
    },
    async ({ request, reply, path, body }) => {
      const { user, isHimself, principal, metadata } = await himselfOr(request, path.user_id, 'user:update');
      // With a password one may everything, and for longer than the token lives.
      if (accessTokenOf(principal) !== undefined) throw forbidden('an access token changes no passwords');
      const { old_password, new_password } = await body();
      const { passwordHash } = (await queries.findLoginUser(user.username)) ?? {};
      if (passwordHash === undefined) throw notFound(`user ${user.userId} not found`);
      const { username, userId } = user;
      if (isHimself && !(await ports.confirmPassword({ username, passwordHash }, old_password, request.ip)))
        throw forbidden('Current password is incorrect');
      requireStrong(new_password);
      if (await ports.passwordMatches(passwordHash, new_password))
        throw badRequest('New password is identical to old password');
      const hadSession = isHimself && (await ports.sessions.identify(request))?.subject.id === userId;
      const changed = await commands.changePassword(
        { username, userId, password: new_password, over: isHimself ? passwordHash : undefined },
        metadata,
      );
      await reached(changed.position);
      // They are void by now. Who has changed his own password in a browser goes on there, under another id.
      await ports.sessions.forgetAllOf(userId);
      const now = hadSession ? await queries.findLoginUser(username) : undefined;
      // Not if somebody has changed it once more since.
      if (now?.userId === userId && now.passwordHash === changed.passwordHash)
        await ports.sessions.open(request, reply, asUser(now).subject);
    },
  );

  operation(
    api,
    {
      id: 'setCliSecret',
      tag: 'user',
      method: 'PUT',
      path: '/users/:user_id/cli_secret',
      summary: 'Sets the secret with which a user of an OIDC provider logs in from the command line.',
      answer: nothing,
    },
    async ({ request, path }) => {
      await himselfOr(request, path.user_id, 'user:update');
      throw preconditionFailed('the secret for the command line is for users of an OIDC provider');
    },
  );
}

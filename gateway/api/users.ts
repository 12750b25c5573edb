import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { authorize } from '../../domain/access/authorize.ts';
import type { Permission } from '../../domain/access/permission.ts';
import type { Filter } from '../../projections/listing.ts';
import type { ListedUser } from '../../projections/users/queries.ts';
import type { Access, Asker } from './access.ts';
import { readJson } from './body.ts';
import { requireStrong } from './credentials.ts';
import { badRequest, forbidden, notFound, preconditionFailed, unprocessable } from './faults.ts';
import { readPaging, sendPage } from './paging.ts';
import { idInPath, parameter } from './parameters.ts';
import type { ApiPorts } from './ports.ts';
import { readListing } from './query.ts';
import { readUsername, requireProfile, shownUsers } from './user-form.ts';

const text = z
  .string()
  .nullish()
  .transform((given) => given ?? '');
const profile = z.object({ email: text, realname: text, comment: text });
const newUser = profile.extend({ username: text, password: text });
const passwords = z.object({ old_password: text, new_password: text });
const rights = z.object({ sysadmin_flag: z.boolean().nullish() });

/** The user whom no one deletes: with him an installation would lose its last way in. */
const firstUser = 1;

/** Harbor's `user` operations. */
export function userRoutes(api: FastifyInstance, ports: ApiPorts, access: Access): void {
  const { queries, commands, reached, emailKeyOf } = ports;

  /** The user of the path, for himself or for who may do this to every user. */
  async function himselfOr(
    request: FastifyRequest,
    permission: Permission,
  ): Promise<Asker & { user: ListedUser; isHimself: boolean }> {
    const asker = await access.known(request);
    const userId = idInPath(request, 'user_id');
    const { principal } = asker;
    const isHimself = principal.kind === 'user' && principal.userId === userId;
    if (!isHimself && !authorize(principal, permission, { kind: 'system' })) throw forbidden();
    return { ...asker, user: await existing(userId), isHimself };
  }

  async function existing(userId: number): Promise<ListedUser> {
    const user = await queries.findUser(userId);
    if (user === undefined) throw notFound(`user ${userId} not found`);
    return user;
  }

  /** Addresses are kept sealed, so they are found as a whole alone, whatever way they are asked for. */
  const byEmail = (email: string): Filter => ({ key: 'email_key', kind: 'is', value: emailKeyOf(email) });
  const withoutEmail = (filter: Filter): Filter => {
    if (filter.key.toLowerCase() !== 'email') return filter;
    return byEmail(filter.kind === 'is' || filter.kind === 'contains' ? filter.value : '');
  };

  api.get('/users', async (request, reply) => {
    await access.inSystem(request, 'user:list');
    const listing = readListing(request);
    const [username, email] = [parameter(request, 'username'), parameter(request, 'email')];
    const filters = [
      ...listing.filters.map(withoutEmail),
      ...(username === undefined ? [] : [{ key: 'username', kind: 'contains', value: username } as const]),
      ...(email === undefined ? [] : [byEmail(email)]),
    ];
    const { rows, total } = await queries.listUsers({ ...listing, filters });
    return sendPage(request, reply, listing, { rows: await shownUsers(ports, rows), total }, (user) => user);
  });

  api.post('/users', async (request, reply) => {
    const { metadata } = await access.inSystem(request, 'user:create');
    const { username: written, password, ...person } = await readJson(request, newUser);
    const username = readUsername(written);
    requireProfile(person);
    requireStrong(password);
    const { userId, position } = await commands.createUser({ username, password, ...person }, metadata);
    await reached(position);
    return reply.code(201).header('location', `/api/v2.0/users/${userId}`).send();
  });

  api.get('/users/current', async (request) => {
    const { principal } = await access.known(request);
    if (principal.kind !== 'user')
      throw preconditionFailed(`get current user not available for security context: ${principal.kind}`);
    const [user] = await shownUsers(ports, [await existing(principal.userId)]);
    return user;
  });

  api.get('/users/search', async (request, reply) => {
    await access.known(request);
    const paging = readPaging(request);
    const username = parameter(request, 'username');
    if (username === undefined) throw unprocessable('username in query is required');
    const page = await queries.searchUsers(username, paging);
    return sendPage(request, reply, paging, page, (user) => ({
      user_id: user.userId,
      username: user.username,
    }));
  });

  api.get('/users/:user_id', async (request) => {
    const { user } = await himselfOr(request, 'user:read');
    const [shown] = await shownUsers(ports, [user]);
    return shown;
  });

  api.put('/users/:user_id', async (request, reply) => {
    const { user, metadata } = await himselfOr(request, 'user:update');
    const person = await readJson(request, profile);
    requireProfile(person);
    const { username, userId, emailKey: emailKeyBefore } = user;
    await reached(await commands.changeProfile({ username, userId, emailKeyBefore, ...person }, metadata));
    return reply.send();
  });

  api.delete('/users/:user_id', async (request, reply) => {
    const { principal, metadata } = await access.inSystem(request, 'user:delete');
    const userId = idInPath(request, 'user_id');
    if (userId === firstUser || (principal.kind === 'user' && principal.userId === userId))
      throw forbidden(`User with ID ${userId} cannot be deleted`);
    const { username, emailKey } = await existing(userId);
    await reached(await commands.deleteUser({ username, userId, emailKey }, metadata));
    return reply.send();
  });

  api.put('/users/:user_id/sysadmin', async (request, reply) => {
    const { metadata } = await access.inSystem(request, 'user:update');
    const userId = idInPath(request, 'user_id');
    const { sysadmin_flag } = await readJson(request, rights);
    const { username } = await existing(userId);
    const administrator = sysadmin_flag === true;
    await reached(await commands.changeAdministrator({ username, userId, administrator }, metadata));
    return reply.send();
  });

  api.put('/users/:user_id/password', async (request, reply) => {
    const { user, isHimself, metadata } = await himselfOr(request, 'user:update');
    const { old_password, new_password } = await readJson(request, passwords);
    const { passwordHash } = (await queries.findLoginUser(user.username)) ?? {};
    if (passwordHash === undefined) throw notFound(`user ${user.userId} not found`);
    if (isHimself && !(await ports.passwordMatches(passwordHash, old_password)))
      throw forbidden('Current password is incorrect');
    requireStrong(new_password);
    if (await ports.passwordMatches(passwordHash, new_password))
      throw badRequest('New password is identical to old password');
    const { username, userId } = user;
    await reached(await commands.changePassword({ username, userId, password: new_password }, metadata));
    return reply.send();
  });

  api.put('/users/:user_id/cli_secret', async (request) => {
    await himselfOr(request, 'user:update');
    throw preconditionFailed('the secret for the command line is for users of an OIDC provider');
  });
}

import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Access } from '../access.ts';
import { badRequest } from '../faults.ts';
import { notYetRoutes, refused, shown } from './not-yet.ts';

const noDirectory = 'users and groups of an LDAP directory cannot be used yet';
const cannot = refused(() => badRequest(noDirectory));

/** Harbor's `Ldap` and `oidc` operations. */
export function directoryRoutes(api: FastifyInstance, access: Access): void {
  notYetRoutes(api, access, 'Ldap', [
    {
      id: 'pingLdap',
      method: 'POST',
      path: '/ldap/ping',
      summary: 'Whether a directory can be used.',
      for: { system: 'configuration:read' },
      answer: shown(z.object({ success: z.boolean(), message: z.string() }).meta({ id: 'LdapPingResult' }), {
        success: false,
        message: noDirectory,
      }),
    },
    {
      id: 'searchLdapUser',
      method: 'GET',
      path: '/ldap/users/search',
      summary: 'Users of the directory.',
      for: { system: 'ldap-user:list' },
      answer: cannot,
    },
    {
      id: 'importLdapUser',
      method: 'POST',
      path: '/ldap/users/import',
      summary: 'Makes users of the directory known.',
      for: { system: 'ldap-user:create' },
      answer: cannot,
    },
    {
      id: 'searchLdapGroup',
      method: 'GET',
      path: '/ldap/groups/search',
      summary: 'Groups of the directory.',
      for: { system: 'ldap-user:list' },
      answer: cannot,
    },
  ]);
  notYetRoutes(api, access, 'oidc', [
    {
      id: 'pingOIDC',
      method: 'POST',
      path: '/system/oidc/ping',
      summary: 'Whether a provider of identities can be used.',
      for: { system: 'configuration:update' },
      answer: refused(() => badRequest('providers of OpenID Connect cannot be used yet')),
    },
  ]);
}

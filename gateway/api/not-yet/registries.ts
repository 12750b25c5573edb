import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Access } from '../access.ts';
import { badRequest, notFound } from '../faults.ts';
import { emptyArray, emptyList, notYetRoutes, refused, shown } from './not-yet.ts';

const cannot = refused(() => badRequest('other registries cannot be connected yet'));
const unknown = refused(({ id }) => notFound(`registry ${id} not found`));

/** Harbor's `registry` operations. */
export function registryRoutes(api: FastifyInstance, access: Access): void {
  const one = '/registries/:id';
  notYetRoutes(api, access, 'registry', [
    {
      id: 'listRegistries',
      method: 'GET',
      path: '/registries',
      summary: 'The registries to copy from and to.',
      for: { system: 'registry:list' },
      answer: emptyList,
    },
    {
      id: 'createRegistry',
      method: 'POST',
      path: '/registries',
      summary: 'Connects a registry.',
      for: { system: 'registry:create' },
      answer: cannot,
    },
    {
      id: 'pingRegistry',
      method: 'POST',
      path: '/registries/ping',
      summary: 'Whether a registry answers.',
      for: { system: 'registry:read' },
      answer: cannot,
    },
    {
      id: 'getRegistry',
      method: 'GET',
      path: one,
      summary: 'A registry.',
      for: { system: 'registry:read' },
      answer: unknown,
    },
    {
      id: 'updateRegistry',
      method: 'PUT',
      path: one,
      summary: 'Changes a registry.',
      for: { system: 'registry:update' },
      answer: unknown,
    },
    {
      id: 'deleteRegistry',
      method: 'DELETE',
      path: one,
      summary: 'Disconnects a registry.',
      for: { system: 'registry:delete' },
      answer: unknown,
    },
    {
      id: 'getRegistryInfo',
      method: 'GET',
      path: `${one}/info`,
      summary: 'What a registry can do.',
      for: { system: 'registry:read' },
      answer: unknown,
    },
    {
      id: 'listRegistryProviderTypes',
      method: 'GET',
      path: '/replication/adapters',
      summary: 'The kinds of registries that can be connected.',
      for: { system: 'replication-adapter:list' },
      answer: emptyArray,
    },
    {
      id: 'listRegistryProviderInfos',
      method: 'GET',
      path: '/replication/adapterinfos',
      summary: 'Where the registries of each kind are.',
      for: { system: 'replication-adapter:list' },
      answer: shown(z.record(z.string(), z.unknown()), {}),
    },
  ]);
}

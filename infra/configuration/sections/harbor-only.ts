import type { z } from 'zod';
import { notUsed, notUsedSection } from '../fields.ts';

const redisIndexes = [
  'registry_db_index',
  'jobservice_db_index',
  'trivy_db_index',
  'harbor_db_index',
  'cache_layer_db_index',
  'cache_db_index',
  'chartmuseum_db_index',
  'clair_db_index',
];
const noScanner = 'Shiplog does not scan yet.';
const noRedis = 'Shiplog comes without a Redis; see `external_redis`.';
const ipFamily = 'The address in `http.address` decides between IPv4 and IPv6.';

/** The sections of harbor.yml, of Harbor 1.8 to 2.15, that nothing of Shiplog reads. */
export const harborOnly = {
  _version: notUsed('The release of the template that the file was made from.'),
  ip_family: notUsedSection(ipFamily, [], {
    ipv4: notUsedSection(ipFamily, ['enabled']),
    ipv6: notUsedSection(ipFamily, ['enabled']),
  }),
  internal_tls: notUsedSection('Shiplog is one program; there is no traffic between components.', [
    'enabled',
    'dir',
    'strong_ssl_ciphers',
    'verify_client_cert',
  ]),
  trivy: notUsedSection(noScanner, [
    'ignore_unfixed',
    'skip_update',
    'skip_java_db_update',
    'offline_scan',
    'insecure',
    'security_check',
    'timeout',
    'db_repository',
    'java_db_repository',
    'github_token',
  ]),
  clair: notUsedSection(noScanner, ['updaters_interval', 'http_proxy', 'https_proxy', 'no_proxy']),
  chart: notUsedSection('Charts are OCI artifacts; there is no ChartMuseum.', ['absolute_url']),
  chartmuseum: notUsedSection('Charts are OCI artifacts; there is no ChartMuseum.', ['absolute_url']),
  redis: notUsedSection(noRedis, redisIndexes),
  uaa: notUsedSection('There is no login by UAA.', ['ca_file']),
  proxy: notUsedSection('Nothing of Shiplog goes through a proxy yet.', [
    'http_proxy',
    'https_proxy',
    'no_proxy',
    'components',
  ]),
  core: notUsedSection('There is one way to count quotas.', ['quota_update_provider']),
} satisfies z.core.$ZodShape;

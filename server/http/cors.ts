/** Spec: Client-Server API "Web Browser Clients". On every answer, errors included. */
export const corsHeaders = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Methods': 'GET, HEAD, POST, PUT, DELETE, OPTIONS',
  'Access-Control-Allow-Headers': 'X-Requested-With, Content-Type, Authorization, Date',
  // Not in the specification: without it a browser cannot read how long to wait.
  'Access-Control-Expose-Headers': 'Retry-After',
}

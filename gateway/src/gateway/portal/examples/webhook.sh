CLIENT_ID='@@client_id@@'
CLIENT_SECRET='paste the secret here'
TOKEN=$(curl -sS -u "$CLIENT_ID:$CLIENT_SECRET" \
  -d grant_type=client_credentials @@base@@/oauth/token \
  | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
curl -sS @@base@@/gateway/v1/webhooks \
  -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \
  -d '{"url": "https://partner.example/hooks", "signing": "v1",
       "event_types": ["com.clustereducation.curriculum.offering.published.v1"]}'

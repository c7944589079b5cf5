CLIENT_ID='@@client_id@@'
CLIENT_SECRET='paste the secret here'
TOKEN=$(curl -sS -u "$CLIENT_ID:$CLIENT_SECRET" \
  -d grant_type=client_credentials @@base@@/oauth/token \
  | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
curl -sSf --retry 9 -H "Authorization: Bearer $TOKEN" \
  "@@api@@/enrolment/v1/organisations?limit=2"

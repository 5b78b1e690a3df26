"""Form pages that anybody with the link can fill in: registrations, members, questionnaires."""

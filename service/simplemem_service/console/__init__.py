"""The page at `/`: a small console of one store, for people.

The page is plain HTML, CSS and JavaScript modules in `page/`, served as they are. It knows nothing that the HTTP API
does not tell, so it needs no rights of its own: a token, where the store asks for one, is typed once a tab and sent as
every other client sends it.
"""
